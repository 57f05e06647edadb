//! Cases with tap gains: every way to place filters and to walk over images, once more with them.

use filter_summary::{Boundary, Placement, Window};

use super::{Case, case, grouped, learned, line, pad, stride, taps3, volume, walk};

fn one_base(filters: usize, channels: usize, [height, width]: [usize; 2], step: usize) -> Placement {
    Placement::one_base(filters, channels, height, width, step).unwrap()
}

/// One base a filter, and how one walks over the image.
fn one_bases() -> Vec<Case> {
    let strips = |size| [[2, 5, size], [1, 5, size + 1], [1, 5, size + 2]];
    let mut cases = vec![
        case("one_base_c", one_base(20, 16, [3, 3], 16), pad(1), [1, 14, 14]).residual().relu(),
        case("one_base_half_c", one_base(24, 16, [3, 3], 8), pad(1), [2, 7, 7]).relu(),
        case("one_base_quarter_c", one_base(33, 8, [3, 3], 2), pad(1), [1, 9, 11]),
        case("one_base_3_of_5_channels", one_base(7, 5, [3, 3], 3), pad(1), [1, 9, 11]).residual(),
        case("one_base_1x3", one_base(9, 8, [1, 3], 8), walk([1; 2], [0, 1, 0, 1], [1; 2]), [2, 5, 12]),
        case("one_base_3x1", one_base(9, 8, [3, 1], 8), walk([1; 2], [1, 0, 1, 0], [1; 2]), [2, 5, 12]),
        case("one_base_2x2", one_base(9, 8, [2, 2], 8), pad(1), [1, 6, 8]),
        case("one_base_padding_5", one_base(9, 8, [3, 3], 8), pad(5), [1, 6, 8]).relu(),
        case("one_base_7x7", one_base(10, 8, [7, 7], 8), pad(3), [1, 9, 12]).relu(),
        case("one_base_1x1", one_base(10, 8, [1, 1], 4), pad(0), [1, 6, 8]),
        case("one_base_stride_2", one_base(12, 8, [3, 3], 8), stride(2, 1), [2, 13, 16]),
        case("one_base_columns_by_2", one_base(12, 8, [3, 3], 8), walk([1, 2], [1; 4], [1; 2]), [1, 6, 20]),
        case("one_base_strides", one_base(12, 8, [3, 3], 8), walk([1, 3], [2, 0, 1, 2], [1; 2]), [1, 8, 13]),
        case("one_base_dilation_2", one_base(12, 8, [3, 3], 8), walk([1; 2], [2; 4], [2; 2]), [1, 9, 12]),
        case("one_base_groups_3", one_base(12, 4, [3, 3], 4), grouped(3, 1), [2, 7, 8]).residual(),
        case("one_base_depthwise", one_base(16, 1, [3, 3], 1), grouped(16, 1), [1, 9, 8]).relu(),
        case("one_base_channels_130", one_base(17, 130, [3, 3], 130), pad(1), [1, 5, 5]),
        case("one_base_filters_70", one_base(70, 12, [3, 3], 12), pad(1), [1, 8, 8]).relu(),
    ];
    for (name, size) in ["one_base_width_8", "one_base_width_9", "one_base_width_10"].into_iter().zip(strips(8)) {
        let plain = case(name, one_base(8, 8, [3, 3], 8), pad(1), size);
        cases.extend([plain.clone(), plain.residual().relu()]);
    }
    cases
}

/// Filters that overlap in several taps, or lie anywhere.
fn placed() -> Vec<Case> {
    let gains = Placement::with_gains;
    let taps = |channels| Window::tap_major(channels, 3, 3).unwrap();
    let spread = Window::tap_major_ordered(8, 3, 3, &[0, 4, 8, 1, 5, 6, 2, 3, 7]).unwrap();
    let (none, zero, wrap) = (Boundary::None, Boundary::Zero, Boundary::Wrap);
    let positions = [0.0, 0.75, 2.25, 3.5, 4.0, 5.25, 6.5, 7.75, 9.0, 10.5, 11.25, 12.0];
    let corners = [[0, 0, 0], [3, 1, 2], [-5, 2, 1], [7, 0, 2]];
    let of_blends = |name, placement, size| case(name, gains(placement), pad(1), size);
    vec![
        case("gains_step_c", gains(taps3(16, 16, 16)), pad(1), [1, 14, 14]).relu(),
        case("gains_width_8", gains(taps3(9, 4, 4)), pad(1), [2, 5, 8]),
        case("gains_width_9", gains(taps3(9, 4, 4)), pad(1), [1, 5, 9]),
        case("gains_width_10", gains(taps3(9, 4, 4)), pad(1), [1, 5, 10]),
        case("gains_step_half_c", gains(taps3(24, 16, 8)), pad(1), [1, 7, 7]).residual(),
        case("gains_step_2c", gains(taps3(20, 16, 32)), pad(1), [1, 14, 14]).residual().relu(),
        case("gains_step_2c_strided", gains(taps3(12, 8, 16)), stride(2, 1), [1, 12, 14]),
        case("gains_tap_order", gains(Placement::regular(spread, 16, 16).unwrap()), pad(1), [1, 14, 14]),
        case("gains_dense", gains(Placement::dense(10, 8, 3, 3).unwrap()), pad(1), [1, 7, 7]).relu(),
        case("gains_published", gains(Placement::published(16, 8, 3, 3, 4.0).unwrap()), pad(1), [1, 9, 9]),
        case("gains_zero", gains(line(taps(4), 30, &[-8, 3, 20, 29, -40], zero)), pad(1), [1, 7, 9]),
        case("gains_wrap", gains(line(taps(4), 30, &[-8, 3, 20, 29, 1000], wrap)), pad(1), [1, 7, 9]).residual(),
        case("gains_volume", gains(volume(taps(5), [6, 3, 3], &corners, wrap)), pad(1), [2, 6, 7]),
        case("gains_volume_zero", gains(volume(taps(5), [6, 3, 3], &corners, zero)), pad(1), [2, 6, 7]),
        of_blends("gains_learned_width_8", learned(taps(8), 168, &positions, 8, none), [2, 5, 8]),
        of_blends("gains_learned_width_9", learned(taps(8), 168, &positions, 8, none), [1, 5, 9]),
        of_blends("gains_learned_width_10", learned(taps(8), 168, &positions, 8, none), [1, 5, 10]).residual().relu(),
        of_blends("gains_learned_none", learned(taps(4), 60, &[0.0, 3.25, 23.75, 7.5, 24.0], 1, none), [1, 5, 9]),
        of_blends("gains_learned_zero", learned(taps(4), 50, &[-8.25, 40.5, 3.75, 48.5], 1, zero), [1, 5, 9]),
        of_blends("gains_learned_wrap", learned(taps(4), 50, &[-8.25, 40.5, 3.75, 49.0], 3, wrap), [1, 5, 9]),
        case("gains_learned_one_base", one_base_between(), stride(2, 1), [1, 9, 10]),
    ]
}

/// One base a filter, at positions between two whole ones.
fn one_base_between() -> Placement {
    let positions: Vec<f32> = (0..10).map(|i| i as f32 * 1.25).collect();
    learned(Window::one_base(8, 3, 3).unwrap(), 13 * 8, &positions, 8, Boundary::None).with_gains()
}

/// All of them.
pub(super) fn gains() -> Vec<Case> {
    [one_bases(), placed()].concat()
}
