//! The table of named edge cases every kernel of every executor runs over. Each is below three million multiply-adds.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

use filter_summary::{Activation, Boundary, Conv2d, Placement, Problem, Starts, Window};

/// One convolution that something once went wrong with, or may.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: &'static str,
    pub placement: Placement,
    pub conv: Conv2d,
    /// `[N, H, W]`.
    pub size: [usize; 3],
    pub residual: bool,
    pub activation: Activation,
}

impl Case {
    /// The case as a problem that writes a tensor of its own.
    pub fn problem(&self) -> Problem {
        let problem = Problem::new(&self.placement, self.conv, self.size).expect(self.name);
        let problem = problem.with_activation(self.activation);
        if self.residual { problem.with_residual() } else { problem }
    }

    fn relu(self) -> Self {
        Self { activation: Activation::Relu, ..self }
    }

    fn residual(self) -> Self {
        Self { residual: true, ..self }
    }
}

/// A case with neither residual nor activation.
fn case(name: &'static str, placement: Placement, conv: Conv2d, size: [usize; 3]) -> Case {
    Case { name, placement, conv, size, residual: false, activation: Activation::None }
}

/// `[stride, padding, dilation]` for both axes, one group.
fn walk(stride: [usize; 2], padding: [usize; 4], dilation: [usize; 2]) -> Conv2d {
    Conv2d { stride, padding, dilation, groups: 1 }
}

fn pad(padding: usize) -> Conv2d {
    Conv2d::padded(padding)
}

fn stride(stride: usize, padding: usize) -> Conv2d {
    walk([stride; 2], [padding; 4], [1; 2])
}

fn grouped(groups: usize, padding: usize) -> Conv2d {
    Conv2d { groups, ..pad(padding) }
}

/// Tap-major with kernel 3x3.
fn taps3(filters: usize, channels: usize, step: usize) -> Placement {
    Placement::tap_major(filters, channels, 3, 3, step).unwrap()
}

fn line(window: Window, length: usize, starts: &[i64], boundary: Boundary) -> Placement {
    Placement::new(window, Starts::Line { length, starts: starts.to_vec() }, boundary).unwrap()
}

fn volume(window: Window, dims: [usize; 3], starts: &[[i64; 3]], boundary: Boundary) -> Placement {
    Placement::new(window, Starts::Volume { dims, starts: starts.to_vec() }, boundary).unwrap()
}

/// Positions by quarters: integers that are multiples of four blend into integers.
fn learned(window: Window, length: usize, positions: &[f32], unit: usize, boundary: Boundary) -> Placement {
    let starts = Starts::Learned { length, positions: positions.to_vec(), unit };
    Placement::new(window, starts, boundary).unwrap()
}

/// All of them.
pub fn cases() -> Vec<Case> {
    [
        steps(),
        images(),
        kernels(),
        walks(),
        orders(),
        starts(),
        volumes(),
        groups(),
        chains(),
        epilogues(),
        blends(),
        even_rows(),
        last_tiles(),
        few_pixels(),
    ]
    .concat()
}

/// Tap-major layers by step: how much is shared, and how the summary is aligned.
fn steps() -> Vec<Case> {
    vec![
        case("step_half_c", taps3(24, 16, 8), pad(1), [1, 7, 7]).relu(),
        case("step_c_block", taps3(16, 16, 16), pad(1), [1, 14, 14]).residual().relu(),
        case("step_one_and_a_half_c", taps3(18, 16, 24), pad(1), [2, 7, 7]).residual(),
        case("step_2c", taps3(20, 16, 32), pad(1), [1, 14, 14]).relu(),
        case("step_3c", taps3(20, 16, 48), pad(1), [1, 14, 14]).residual().relu(),
        case("step_2_of_20_channels", taps3(12, 20, 2), pad(1), [1, 14, 14]),
        case("step_7_of_5_channels", taps3(9, 5, 7), pad(1), [1, 9, 11]),
        case("dense", Placement::dense(18, 16, 3, 3).unwrap(), pad(1), [1, 14, 14]).residual().relu(),
        case("dense_tap_major", taps3(6, 8, 72), pad(1), [2, 7, 7]),
        case("bases_64", taps3(56, 4, 4), pad(1), [1, 7, 7]),
        case("bases_65", taps3(57, 4, 4), pad(1), [1, 8, 8]).relu(),
        case("filters_65_pixels_65", Placement::dense(65, 7, 1, 1).unwrap(), pad(0), [1, 5, 13]),
        case("channels_130", taps3(17, 130, 130), pad(1), [1, 5, 5]),
    ]
}

/// Image sizes around tiles, vectors and segments.
fn images() -> Vec<Case> {
    vec![
        case("one_of_everything", taps3(1, 1, 1), pad(1), [1, 1, 1]),
        case("image_smaller_than_kernel", taps3(5, 8, 8), pad(1), [3, 2, 1]).residual(),
        case("one_filter", taps3(1, 8, 8), pad(1), [1, 6, 7]).residual(),
        case("width_41", taps3(7, 5, 5), pad(1), [1, 9, 41]).relu(),
        case("width_55", taps3(12, 20, 40), pad(1), [1, 5, 55]),
        case("width_131", taps3(9, 4, 8), pad(1), [1, 6, 131]).residual().relu(),
        case("width_65_valid", taps3(6, 3, 6), pad(0), [2, 4, 65]),
        case("tall_and_narrow", taps3(6, 4, 4), pad(1), [1, 150, 3]),
        case("pixels_63", taps3(8, 8, 16), pad(1), [1, 7, 9]),
        case("pixels_64", taps3(8, 8, 16), pad(1), [1, 8, 8]),
        case("batch_5", taps3(20, 16, 16), pad(1), [5, 7, 7]).residual().relu(),
        case("rgb_32", taps3(16, 3, 6), pad(1), [1, 32, 32]).relu(),
    ]
}

/// Kernel sizes.
fn kernels() -> Vec<Case> {
    let tap_major = |o, c, h, w, step| Placement::tap_major(o, c, h, w, step).unwrap();
    vec![
        case("kernel_1x1", tap_major(20, 16, 1, 1, 16), pad(0), [2, 7, 7]).residual().relu(),
        case("kernel_1x1_overlapping", tap_major(24, 16, 1, 1, 4), pad(0), [1, 13, 9]),
        case("kernel_1x1_stride_2", tap_major(12, 8, 1, 1, 8), stride(2, 0), [2, 9, 7]),
        case("kernel_2x2_stride_2", tap_major(9, 8, 2, 2, 8), stride(2, 0), [1, 8, 10]),
        case("kernel_4x2", tap_major(9, 8, 4, 2, 16), walk([1; 2], [1, 0, 2, 1], [1; 2]), [1, 9, 8]),
        case("kernel_5x5", tap_major(10, 8, 5, 5, 16), pad(2), [1, 9, 9]),
        case("kernel_1x7", tap_major(8, 8, 1, 7, 8), walk([1; 2], [0, 3, 0, 3], [1; 2]), [1, 5, 17]),
        case("kernel_7x1", tap_major(8, 8, 7, 1, 8), walk([1; 2], [3, 0, 3, 0], [1; 2]), [1, 17, 5]),
        case("kernel_7x7_stride_2", tap_major(12, 3, 7, 7, 6), stride(2, 3), [1, 30, 31]).relu(),
    ]
}

/// Strides, paddings, dilations.
fn walks() -> Vec<Case> {
    vec![
        case("stride_2", taps3(16, 16, 32), stride(2, 1), [1, 15, 15]).residual().relu(),
        case("stride_2_rows_relu", taps3(8, 8, 16), stride(2, 1), [1, 16, 16]).relu(),
        case("stride_2_rows_residual", taps3(9, 8, 8), stride(2, 1), [1, 16, 8]).residual(),
        case("stride_2_rows_residual_relu", taps3(8, 4, 8), stride(2, 1), [2, 7, 16]).residual().relu(),
        case("stride_3_2", taps3(10, 8, 8), walk([3, 2], [1, 2, 0, 1], [1; 2]), [2, 11, 13]),
        case("stride_larger_than_kernel", taps3(6, 8, 8), stride(5, 1), [1, 17, 23]),
        case("stride_2_width_150", taps3(6, 4, 4), stride(2, 1), [1, 5, 150]),
        case("padding_asymmetric", taps3(7, 8, 16), walk([1; 2], [2, 0, 0, 1], [1; 2]), [1, 6, 9]).residual(),
        case("padding_larger_than_image", taps3(6, 8, 8), walk([1; 2], [6, 0, 1, 9], [1; 2]), [1, 4, 5]),
        case("padding_larger_than_image_stride_4", taps3(6, 8, 8), walk([4, 3], [9, 9, 9, 9], [2, 2]), [1, 4, 5]),
        case("padding_left_5", taps3(6, 8, 8), walk([1; 2], [0, 5, 0, 0], [1; 2]), [1, 3, 9]),
        case("padding_left_40_right_300", taps3(6, 8, 8), walk([1; 2], [1, 40, 1, 300], [1; 2]), [1, 3, 12]),
        case("padding_left_1000", taps3(5, 4, 4), walk([1; 2], [0, 1000, 0, 0], [1; 2]), [1, 3, 70]),
        case("padding_right_5000", taps3(3, 4, 4), walk([1; 2], [0, 0, 0, 5000], [1; 2]), [1, 3, 7]),
        case("dilation_as_padding_7", taps3(6, 8, 8), walk([1; 2], [7; 4], [7; 2]), [1, 20, 20]),
        case("dilation_3", taps3(8, 8, 16), walk([1; 2], [3; 4], [3; 2]), [1, 9, 10]).relu(),
        case("dilation_2_3_stride_2_1", taps3(8, 8, 16), walk([2, 1], [2, 1, 0, 3], [2, 3]), [2, 9, 11]),
    ]
}

/// Windows other than row-major tap-major.
fn orders() -> Vec<Case> {
    let spread = |channels| Window::tap_major_ordered(channels, 3, 3, &[0, 4, 8, 1, 5, 6, 2, 3, 7]).unwrap();
    let columns = Window::tap_major_ordered(16, 3, 3, &[0, 3, 6, 1, 4, 7, 2, 5, 8]).unwrap();
    let reversed = Window::with_strides(8, 3, 3, [1, -24, -8]).unwrap();
    let mirrored = Window::with_strides(6, 3, 3, [-1, 18, -6]).unwrap();
    let channel_major = Window::channel_major(8, 3, 3).unwrap();
    let same_tap = Window::with_strides(8, 3, 3, [1, 8, 0]).unwrap();
    let stretched = Window::with_strides(4, 3, 3, [5, 50, 7]).unwrap();
    let ascending = |first: i64, step: i64, count: i64| (0..count).map(|i| first + i * step).collect::<Vec<i64>>();
    let lines = |window, length, starts: Vec<i64>| line(window, length, &starts, Boundary::None);
    vec![
        case("tap_order", Placement::regular(spread(16), 16, 32).unwrap(), pad(1), [1, 14, 14]).relu(),
        case("tap_order_of_every_row", Placement::regular(spread(4), 20, 4).unwrap(), pad(1), [1, 5, 12]).residual(),
        case("tap_order_of_two_tiles", Placement::regular(spread(4), 36, 8).unwrap(), pad(1), [2, 3, 9]),
        case("tap_order_in_groups", Placement::regular(spread(5), 12, 10).unwrap(), grouped(3, 1), [1, 4, 70]).relu(),
        case(
            "tap_order_dilated",
            Placement::regular(spread(4), 10, 8).unwrap(),
            walk([1, 2], [2; 4], [2; 2]),
            [1, 6, 8],
        ),
        case("tap_order_columns", Placement::regular(columns, 12, 16).unwrap(), pad(1), [1, 7, 7]),
        case("taps_reversed", lines(reversed, 72 + 9 * 8, ascending(64, 8, 10)), pad(1), [1, 7, 9]).residual(),
        case("channels_reversed", lines(mirrored, 18 + 36 + 9 * 6, ascending(17, 6, 10)), pad(1), [1, 7, 9]),
        case("channel_major_regular", Placement::regular(channel_major, 10, 9).unwrap(), pad(1), [1, 7, 7]),
        case("taps_of_a_row_equal", Placement::regular(same_tap, 10, 8).unwrap(), pad(1), [1, 7, 7]),
        case("window_with_holes", Placement::regular(stretched, 9, 5).unwrap(), pad(1), [1, 7, 7]),
        case("published_r4", Placement::published(16, 8, 3, 3, 4.0).unwrap(), pad(1), [1, 14, 14]).relu(),
        case("published_r7_stride_2", Placement::published(20, 8, 3, 3, 7.0).unwrap(), stride(2, 1), [2, 13, 9]),
    ]
}

/// Irregular starts and boundaries.
fn starts() -> Vec<Case> {
    let window = || Window::tap_major(4, 3, 3).unwrap();
    let of = |length, starts: &[i64], boundary| line(window(), length, starts, boundary);
    let (none, zero, wrap) = (Boundary::None, Boundary::Zero, Boundary::Wrap);
    vec![
        case("starts_unordered_duplicated", of(80, &[44, 0, 12, 44, 0, 8, 40], none), pad(1), [1, 7, 9]).residual(),
        case("starts_unaligned", of(90, &[1, 54, 13, 2, 3, 37], none), pad(1), [1, 7, 9]),
        case("starts_all_equal", of(40, &[3; 9], none), pad(1), [1, 6, 5]),
        case("zero_negative_starts", of(50, &[-8, -35, 0, 40, 49, -1], zero), pad(1), [1, 7, 9]).relu(),
        case("zero_far_outside", of(50, &[-1_000_000, 7, 1_000_000, i64::MIN, i64::MAX], zero), pad(1), [2, 5, 5]),
        case("wrap_starts_anywhere", of(52, &[51, -3, 52, 1_000_003, 20, -77, 40], wrap), pad(1), [1, 7, 9]).residual(),
        case("wrap_summary_shorter_than_filter", of(7, &[0, 3, -9, 6], wrap), pad(1), [1, 7, 9]),
        case("wrap_summary_of_one", of(1, &[0, 5, -9], wrap), stride(2, 1), [1, 7, 9]),
    ]
}

/// Summaries of rank 3.
fn volumes() -> Vec<Case> {
    let window = |channels| Window::channel_major(channels, 3, 3).unwrap();
    let inside = [[0, 0, 0], [2, 2, 3], [1, 0, 3], [2, 1, 1], [0, 2, 0], [1, 1, 2]];
    let outside = [[-2, 0, 1], [0, -1, 2], [9, 4, -2], [3, 3, 3], [0, 0, 0], [-60, 1, 1], [2, 90, 0]];
    vec![
        case("volume_none", volume(window(6), [8, 5, 6], &inside, Boundary::None), pad(1), [1, 7, 9]).residual(),
        case("volume_zero", volume(window(6), [8, 5, 6], &outside, Boundary::Zero), pad(1), [1, 7, 9]),
        case("volume_wrap", volume(window(6), [8, 5, 6], &outside, Boundary::Wrap), pad(1), [1, 7, 9]).relu(),
        case("volume_wrap_smaller", volume(window(8), [5, 2, 2], &outside, Boundary::Wrap), stride(2, 1), [2, 7, 8]),
    ]
}

/// Groups of channels.
fn groups() -> Vec<Case> {
    let (small, one) = (Window::tap_major(4, 3, 3).unwrap(), Window::tap_major(1, 3, 3).unwrap());
    let uneven = line(small, 120, &[0, 4, 8, 12, 16, 60, 3, 77, 0, 4, 80, 84], Boundary::None);
    let depthwise = Placement::regular(one, 16, 2).unwrap();
    vec![
        case("groups_2", taps3(12, 8, 8), grouped(2, 1), [2, 7, 9]).residual().relu(),
        case("groups_4_stride_2", taps3(8, 5, 10), Conv2d { groups: 4, ..stride(2, 1) }, [1, 9, 10]),
        case("groups_of_uneven_bases", uneven, grouped(3, 1), [2, 7, 9]),
        case("depthwise", depthwise.clone(), grouped(16, 1), [1, 14, 14]).relu(),
        case("depthwise_dilated", depthwise, Conv2d { groups: 16, ..walk([1; 2], [2; 4], [2; 2]) }, [3, 6, 9]),
    ]
}

/// Filters that share row sums with others, one and two kernel rows apart: more and fewer
/// than are accumulated together.
fn chains() -> Vec<Case> {
    let of = |name, step, conv, size| case(name, taps3(29, 4, step), conv, size);
    let plain = [
        of("chains_width_8", 4, pad(1), [2, 5, 8]),
        of("chains_width_9", 4, pad(1), [2, 5, 9]),
        of("chains_two_rows_apart", 8, pad(1), [2, 5, 8]),
        of("chains_next_filter", 12, pad(1), [1, 4, 9]),
    ];
    let mut cases: Vec<Case> = plain.iter().flat_map(with_every_epilogue).collect();
    cases.extend([
        of("chains_all_padding_above", 4, walk([1; 2], [2, 1, 0, 1], [1; 2]), [1, 3, 8]),
        of("chains_all_padding_below", 8, walk([1; 2], [0, 1, 2, 1], [1; 2]), [1, 3, 8]),
        of("chains_dilated", 4, walk([1; 2], [2; 4], [2; 2]), [2, 5, 7]),
        of("chains_image_too_low", 4, pad(1), [2, 2, 8]),
        case("chains_kernel_5x5", Placement::tap_major(23, 4, 5, 5, 4).unwrap(), pad(2), [1, 6, 9]),
    ]);
    cases
}

/// Image rows and planes that are no whole quads, but an even number of pixels, which are moved by twos:
/// every way to load weights.
fn even_rows() -> Vec<Case> {
    let (none, zero, wrap) = (Boundary::None, Boundary::Zero, Boundary::Wrap);
    let taps = |channels| Window::tap_major(channels, 3, 3).unwrap();
    let pixel = || Window::tap_major(8, 1, 1).unwrap();
    let order = |channels| Window::tap_major_ordered(channels, 3, 3, &[0, 4, 8, 1, 5, 6, 2, 3, 7]).unwrap();
    // In place, strided to six columns, and a plane of 30 pixels.
    let (rows, columns, plane) = ([1, 5, 10], [1, 5, 12], [3, 5, 6]);
    let strided = walk([1, 2], [1; 4], [1; 2]);
    let regular = || Placement::regular(order(4), 9, 8).unwrap();
    let mut cases: Vec<Case> = [
        case("even_vec4_rows", regular(), pad(1), rows),
        case("even_vec4_columns", regular(), strided, columns),
        case("even_chains", taps3(29, 4, 4), pad(1), rows),
        case("even_sums", taps3(29, 4, 4), pad(1), [2, 2, 10]),
        case("even_none_rows", line(taps(4), 60, &[0, 4, 23, 5], none), pad(1), rows),
    ]
    .into_iter()
    .flat_map(|case| [case.clone(), case.residual().relu()])
    .collect();
    let of_taps = [
        (["even_zero_rows", "even_zero_columns"], line(taps(4), 50, &[-8, 40, 3, 0], zero)),
        (["even_wrap_rows", "even_wrap_columns"], line(taps(4), 50, &[-8, 40, 3, 49], wrap)),
        (["even_learned_sums_rows", "even_learned_sums_columns"], learned(taps(8), 168, &[0.0, 1.75, 12.0], 8, none)),
        (["even_learned_taps_rows", "even_learned_taps_columns"], learned(order(8), 168, &[0.0, 1.75, 12.0], 8, none)),
        (["even_learned_none_rows", "even_learned_none_columns"], learned(taps(4), 60, &[0.0, 3.25, 24.0], 1, none)),
        (["even_learned_zero_rows", "even_learned_zero_columns"], learned(taps(4), 50, &[-8.25, 40.5], 1, zero)),
        (["even_learned_wrap_rows", "even_learned_wrap_columns"], learned(taps(4), 50, &[-8.25, 40.5], 3, wrap)),
    ];
    for ([in_place, apart], placement) in of_taps {
        cases.push(case(in_place, placement.clone(), pad(1), rows));
        cases.push(case(apart, placement, strided, columns));
    }
    cases.push(case("even_none_columns", line(taps(4), 60, &[0, 4, 23, 5], none), strided, columns));
    cases.push(case("even_sums_zero", line(taps(8), 92, &[0, 24], zero), pad(1), rows));
    cases.push(case("even_sums_wrap", line(taps(8), 96, &[0, 24, 48, 72], wrap), pad(1), rows));
    for (name, placement) in [
        ("even_pixel_vec4", Placement::tap_major(20, 16, 1, 1, 16).unwrap()),
        ("even_pixel_none", line(pixel(), 30, &[3, 0, 9, 22, 7], none)),
        ("even_pixel_zero", line(pixel(), 30, &[3, 0, 9, 29, -7], zero)),
        ("even_pixel_wrap", line(pixel(), 30, &[3, 0, 9, 29, -7], wrap)),
        ("even_learned_pixel_vec4", learned(pixel(), 32, &[0.0, 1.25, 3.0], 8, none)),
        ("even_learned_pixel_none", learned(pixel(), 30, &[3.5, 0.0, 22.0], 1, none)),
        ("even_learned_pixel_zero", learned(pixel(), 30, &[-3.5, 29.25], 1, zero)),
        ("even_learned_pixel_wrap", learned(pixel(), 30, &[-3.5, 29.25], 1, wrap)),
    ] {
        cases.push(case(name, placement, pad(0), plane));
    }
    cases
}

/// Tiles of one quad a lane, and pixels a few more than a tile.
fn last_tiles() -> Vec<Case> {
    vec![
        case("pixels_80_channels_130", taps3(17, 130, 130), pad(1), [1, 8, 10]).relu(),
        case("pixels_81_channels_130", Placement::dense(17, 130, 3, 3).unwrap(), pad(1), [1, 9, 9]).residual(),
        case("pixels_66_channels_512", Placement::tap_major(40, 512, 1, 1, 256).unwrap(), pad(0), [1, 6, 11]),
        case("width_22", taps3(10, 8, 24), pad(1), [1, 3, 22]).relu(),
        case("low_image_width_9", taps3(29, 4, 4), pad(1), [2, 2, 9]).relu(),
        case("width_70", taps3(10, 8, 8), pad(1), [1, 3, 70]),
        case("width_70_kernel_5x5", Placement::tap_major(10, 4, 5, 5, 4).unwrap(), pad(2), [1, 3, 70]),
        case("width_20_dilated_7", taps3(6, 8, 8), walk([1; 2], [7; 4], [7; 2]), [1, 15, 20]),
    ]
}

/// Images of a few pixels, where lanes are filters: quads that are whole, by twos and not, channels
/// that are no whole blocks of lanes.
fn few_pixels() -> Vec<Case> {
    let (none, zero, wrap) = (Boundary::None, Boundary::Zero, Boundary::Wrap);
    let taps = |channels| Window::tap_major(channels, 3, 3).unwrap();
    let nine = |channels| Placement::tap_major(9, channels, 3, 3, 8).unwrap();
    let mut cases: Vec<Case> = [
        case("few_pixels_9", nine(12), pad(1), [1, 3, 3]),
        case("few_pixels_6", nine(12), pad(1), [1, 2, 3]),
        case("few_pixels_8", nine(12), pad(1), [1, 2, 4]),
    ]
    .iter()
    .flat_map(with_every_epilogue)
    .collect();
    cases.extend([
        case("few_none", line(taps(5), 60, &[0, 4, 13, 5], none), pad(1), [1, 3, 3]),
        case("few_zero", line(taps(4), 50, &[-8, 40, 3, 0], zero), pad(1), [1, 3, 3]),
        case("few_wrap", line(taps(4), 50, &[-8, 40, 3, 49], wrap), pad(1), [1, 3, 3]),
        case("few_learned", learned(taps(8), 168, &[0.0, 1.75, 12.0], 8, none), pad(1), [2, 2, 3]),
        case("few_learned_wrap", learned(taps(4), 50, &[-8.25, 40.5], 3, wrap), pad(1), [1, 3, 3]),
        case("few_groups_stride_2", nine(4), grouped(3, 2), [2, 3, 4]).residual(),
        case("few_linear", Placement::tap_major(130, 40, 1, 1, 40).unwrap(), pad(0), [3, 1, 1]).relu(),
        case("few_pixel_by_twos", Placement::tap_major(9, 12, 1, 1, 12).unwrap(), pad(0), [3, 1, 2]),
        case("few_pixel_quad", Placement::tap_major(9, 12, 1, 1, 12).unwrap(), pad(0), [2, 2, 2]),
    ]);
    cases
}

/// Learned positions: every way to load weights and to add up products, for aligned and unaligned rows.
fn blends() -> Vec<Case> {
    let taps = |channels| Window::tap_major(channels, 3, 3).unwrap();
    let spread = Window::tap_major_ordered(8, 3, 3, &[0, 4, 8, 1, 5, 6, 2, 3, 7]).unwrap();
    let (none, zero, wrap) = (Boundary::None, Boundary::Zero, Boundary::Wrap);
    // The last filter ends with the summary: nothing may be read beyond it.
    let twelve = [0.0, 0.75, 2.25, 3.5, 4.0, 5.25, 6.5, 7.75, 9.0, 10.5, 11.25, 12.0];
    let in_groups = [0.0, 1.5, 2.25, 3.0, 4.75, 15.5, 0.75, 19.25, 0.0, 1.0, 20.5, 21.0];
    let quarters: Vec<f32> = (0..16).map(|i| i as f32 * 2.25).collect();
    let pixel = || Window::tap_major(8, 1, 1).unwrap();
    let mut cases = vec![
        case("learned_groups", learned(taps(4), 120, &in_groups, 4, none), grouped(3, 1), [2, 7, 9]).residual(),
        case("learned_stride_2", learned(taps(8), 168, &twelve, 8, none), stride(2, 1), [2, 9, 10]).relu(),
        case("learned_whole", learned(taps(8), 168, &[0.0, 12.0, 3.0], 8, none), pad(1), [1, 5, 6]),
        case("learned_depthwise", learned(taps(1), 44, &quarters, 1, none), grouped(16, 1), [1, 9, 8]),
        case("learned_pixel_vec4", learned(pixel(), 32, &[0.0, 1.25, 0.5, 3.0, 2.75], 8, none), pad(0), [3, 6, 6]),
        case("learned_pixel_none", learned(pixel(), 30, &[3.5, 0.0, 9.25, 22.0, 7.75], 1, none), pad(0), [3, 6, 6]),
        case("learned_pixel_zero", learned(pixel(), 30, &[-3.5, 29.25, 9.75], 1, zero), pad(0), [3, 6, 6]),
        case("learned_pixel_wrap", learned(pixel(), 30, &[-3.5, 29.25, 9.75], 1, wrap), pad(0), [3, 6, 6]),
        case(
            "learned_channel_major",
            learned(Window::channel_major(5, 3, 3).unwrap(), 61, &[0.5, 30.25, 60.75, -7.0], 1, wrap),
            walk([1, 2], [2, 1, 0, 3], [2, 1]),
            [2, 8, 9],
        ),
    ];
    for (names, placement) in [
        (
            ["learned_rows_width_8", "learned_rows_width_9", "learned_rows_strided_8", "learned_rows_strided_9"],
            learned(taps(8), 168, &twelve, 8, none),
        ),
        (
            ["learned_taps_width_8", "learned_taps_width_9", "learned_taps_strided_8", "learned_taps_strided_9"],
            learned(spread, 168, &twelve, 8, none),
        ),
        (["learned_none_width_8", "learned_none_width_9", "learned_none_strided_8", "learned_none_strided_9"], {
            learned(taps(4), 60, &[0.0, 3.25, 23.75, 7.5, 24.0], 1, none)
        }),
        (["learned_zero_width_8", "learned_zero_width_9", "learned_zero_strided_8", "learned_zero_strided_9"], {
            learned(taps(4), 50, &[-8.25, 40.5, 3.75, 48.5, -40.75, -2_000_000.5], 1, zero)
        }),
        (["learned_wrap_width_8", "learned_wrap_width_9", "learned_wrap_strided_8", "learned_wrap_strided_9"], {
            learned(taps(4), 50, &[-8.25, 40.5, 3.75, 49.0, 16.5, 1_000_003.75], 3, wrap)
        }),
    ] {
        cases.push(case(names[0], placement.clone(), pad(1), [2, 5, 8]));
        cases.push(case(names[1], placement.clone(), pad(1), [1, 5, 9]).residual().relu());
        cases.push(case(names[1], placement.clone(), pad(1), [1, 5, 9]));
        for (name, size) in names.into_iter().skip(2).zip([[1, 16, 8], [1, 13, 9]]) {
            cases.push(case(name, placement.clone(), walk([1, 2], [1; 4], [1; 2]), size));
        }
    }
    cases
}

/// Every way to load weights with every epilogue, for aligned and unaligned rows.
fn epilogues() -> Vec<Case> {
    let window = || Window::tap_major(4, 3, 3).unwrap();
    let order = Window::tap_major_ordered(4, 3, 3, &[0, 4, 8, 1, 5, 6, 2, 3, 7]).unwrap();
    let ways = [
        ["epilogue_vec4_width_8", "epilogue_vec4_width_9", "epilogue_vec4_strided_8", "epilogue_vec4_strided_9"],
        ["epilogue_none_width_8", "epilogue_none_width_9", "epilogue_none_strided_8", "epilogue_none_strided_9"],
        ["epilogue_zero_width_8", "epilogue_zero_width_9", "epilogue_zero_strided_8", "epilogue_zero_strided_9"],
        ["epilogue_wrap_width_8", "epilogue_wrap_width_9", "epilogue_wrap_strided_8", "epilogue_wrap_strided_9"],
    ];
    let placements = [
        Placement::regular(order, 9, 8).unwrap(),
        line(window(), 60, &[0, 4, 23, 5], Boundary::None),
        line(window(), 50, &[-8, 40, 3, 0], Boundary::Zero),
        line(window(), 50, &[-8, 40, 3, 49], Boundary::Wrap),
    ];
    let mut cases = Vec::new();
    for (name, boundary) in [
        ("pointwise_vec4", None),
        ("pointwise_none", Some(Boundary::None)),
        ("pointwise_zero", Some(Boundary::Zero)),
        ("pointwise_wrap", Some(Boundary::Wrap)),
    ] {
        let window = Window::tap_major(8, 1, 1).unwrap();
        let starts = if boundary.is_some() { [3, 0, 9, 22, 7] } else { [0, 8, 4, 12, 20] };
        cases.push(case(name, line(window, 30, &starts, boundary.unwrap_or_default()), pad(0), [3, 6, 6]));
    }
    // Kernel rows that begin inside the summary everywhere, so that products are summed along them,
    // but do not all end there.
    let window = || Window::tap_major(8, 3, 3).unwrap();
    for (names, placement) in [
        (["row_sums_zero_width_8", "row_sums_zero_width_9"], line(window(), 92, &[0, 24], Boundary::Zero)),
        (["row_sums_wrap_width_8", "row_sums_wrap_width_9"], line(window(), 96, &[0, 24, 48, 72], Boundary::Wrap)),
    ] {
        cases.extend(
            names.into_iter().zip([8, 9]).map(|(name, width)| case(name, placement.clone(), pad(1), [1, 4, width])),
        );
    }
    for (names, placement) in ways.into_iter().zip(placements) {
        // Taps that step over pixels share no loads.
        let strided = walk([1, 2], [1; 4], [1; 2]);
        let layers = [(pad(1), [1, 5, 8]), (pad(1), [1, 5, 9]), (strided, [1, 16, 8]), (strided, [1, 13, 9])];
        for (name, (conv, size)) in names.into_iter().zip(layers) {
            cases.extend(with_every_epilogue(&case(name, placement.clone(), conv, size)));
        }
    }
    cases
}

fn with_every_epilogue(case: &Case) -> [Case; 4] {
    let [plain, with_relu, with_residual, both] = std::array::from_fn(|_| case.clone());
    [plain, with_relu.relu(), with_residual.residual(), both.residual().relu()]
}
