//! Problems with a base stage, for every executor.

#![allow(clippy::unwrap_used, unreachable_pub)]

use filter_summary::{Activation, Boundary, Conv2d, Placement, Problem, Starts, Window};

fn one_base(filters: usize, channels: usize, [height, width]: [usize; 2], step: usize) -> Placement {
    Placement::one_base(filters, channels, height, width, step).unwrap()
}

fn walk(stride: [usize; 2], padding: [usize; 4], dilation: [usize; 2]) -> Conv2d {
    Conv2d { stride, padding, dilation, groups: 1 }
}

/// A name and a problem each: one base a filter and several, every activation at both places, and every way to walk.
pub fn staged() -> Vec<(&'static str, Problem)> {
    let pad = Conv2d::padded;
    let taps3 = |filters, channels, step| Placement::tap_major(filters, channels, 3, 3, step).unwrap();
    let (none, relu, relu6) = (Activation::None, Activation::Relu, Activation::Relu6);
    let anywhere = |window: Window, length, starts: &[i64]| {
        Placement::new(window, Starts::Line { length, starts: starts.to_vec() }, Boundary::None).unwrap()
    };
    let backwards = anywhere(Window::channel_major(4, 3, 3).unwrap(), 80, &[40, 3, 3, 17, 0, 44]);
    let groups = |groups, padding| Conv2d { groups, ..pad(padding) };
    let stage = |placement: &Placement, conv, size, stage, end| {
        Problem::new(placement, conv, size).unwrap().with_activation(end).with_base_stage(stage).unwrap()
    };
    vec![
        ("mobile", stage(&one_base(24, 16, [3, 3], 16), pad(1), [2, 9, 12], relu6, relu6).with_residual()),
        ("mobile_strided", stage(&one_base(24, 8, [3, 3], 8), walk([2; 2], [1; 4], [1; 2]), [2, 9, 13], relu, none)),
        ("yunet", stage(&one_base(20, 8, [3, 3], 8), pad(1), [1, 7, 7], none, relu)),
        ("one_base_half_c", stage(&one_base(70, 12, [3, 3], 6), pad(1), [1, 8, 8], relu6, relu)),
        ("one_base_padding_4", stage(&one_base(9, 8, [3, 3], 8), pad(4), [1, 5, 6], relu, relu6)),
        ("one_base_1x1", stage(&one_base(10, 8, [1, 1], 8), pad(0), [1, 6, 8], relu, none)),
        ("one_base_1x1_padded", stage(&one_base(10, 8, [1, 1], 8), pad(2), [2, 5, 5], none, none)),
        ("one_base_groups_3", stage(&one_base(12, 4, [3, 3], 4), groups(3, 1), [2, 7, 8], relu6, none)),
        (
            "one_base_columns_by_3",
            stage(&one_base(12, 8, [3, 3], 8), walk([1, 3], [2, 0, 1, 2], [1; 2]), [1, 8, 13], relu, none),
        ),
        ("one_base_width_130", stage(&one_base(8, 8, [3, 3], 8), pad(1), [1, 3, 130], none, none)),
        ("step_c", stage(&taps3(16, 16, 16), pad(1), [1, 14, 14], relu, relu6)),
        ("step_c_gains", stage(&taps3(16, 16, 16).with_gains(), pad(1), [2, 7, 7], relu6, relu).with_residual()),
        ("step_half_c", stage(&taps3(24, 16, 8), pad(1), [1, 7, 7], none, none)),
        ("step_2c_dilated", stage(&taps3(20, 8, 16), walk([1; 2], [2; 4], [2; 2]), [1, 9, 11], relu, none)),
        ("groups_unequal", stage(&backwards, groups(2, 1), [1, 6, 7], relu6, none)),
        ("seven_by_five", stage(&Placement::tap_major(6, 3, 7, 5, 5).unwrap(), pad(3), [1, 11, 12], relu, none)),
        ("filters_70", stage(&taps3(70, 5, 5).with_gains(), pad(1), [1, 5, 9], relu6, none)),
    ]
}
