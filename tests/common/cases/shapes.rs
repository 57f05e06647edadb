//! Cases about images, kernels and how one walks over the other.

use filter_summary::{Boundary, Conv2d, Placement, Window};

use super::{Case, case, grouped, learned, line, pad, stride, taps3, walk, with_every_epilogue};

/// Image sizes around tiles, vectors and segments.
pub(super) fn images() -> Vec<Case> {
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
pub(super) fn kernels() -> Vec<Case> {
    let tap_major = |o, c, h, w, step| Placement::tap_major(o, c, h, w, step).unwrap();
    vec![
        case("kernel_1x1", tap_major(20, 16, 1, 1, 16), pad(0), [2, 7, 7]).residual().relu(),
        case("kernel_1x1_overlapping", tap_major(24, 16, 1, 1, 4), pad(0), [1, 13, 9]),
        case("kernel_1x1_padded_below", tap_major(6, 8, 1, 1, 8), walk([1; 2], [1, 0, 3, 0], [1; 2]), [2, 3, 5]),
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
pub(super) fn walks() -> Vec<Case> {
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

/// Groups of channels.
pub(super) fn groups() -> Vec<Case> {
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
pub(super) fn chains() -> Vec<Case> {
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
pub(super) fn even_rows() -> Vec<Case> {
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
pub(super) fn last_tiles() -> Vec<Case> {
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
pub(super) fn few_pixels() -> Vec<Case> {
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
