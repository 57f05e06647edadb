//! Cases about where filters lie in their summary, and how their weights are loaded.

use filter_summary::{Boundary, Placement, Window};

use super::{Case, case, grouped, learned, line, pad, stride, taps3, volume, walk, with_every_epilogue};

/// Tap-major layers by step: how much is shared, and how the summary is aligned.
pub(super) fn steps() -> Vec<Case> {
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

/// Windows other than row-major tap-major.
pub(super) fn orders() -> Vec<Case> {
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
pub(super) fn starts() -> Vec<Case> {
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
pub(super) fn volumes() -> Vec<Case> {
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

/// Learned positions: every way to load weights and to add up products, for aligned and unaligned rows.
pub(super) fn blends() -> Vec<Case> {
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
pub(super) fn epilogues() -> Vec<Case> {
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
