//! Cases whose channels are whole steps of the tiles of implicit GEMMs, 8 or 32 at a time, however weights are loaded,
//! and those whose pixels lie together in the input as well.

use filter_summary::{Boundary, Placement, Window};

use super::{Case, case, learned, line, pad, taps3, walk, with_every_epilogue};

/// One way to load weights each, through all taps and as products.
fn loads() -> Vec<Case> {
    let window = || Window::tap_major(32, 3, 3).unwrap();
    let zero = line(window(), 400, &[-20, -3, 0, 41, 77, 150, 390], Boundary::Zero);
    let wrap = line(window(), 320, &[-20, 0, 16, 33, 77, 300], Boundary::Wrap);
    let size = [1, 7, 9];
    vec![
        case("whole_steps", taps3(10, 32, 32), pad(1), size),
        case("whole_steps_unaligned", taps3(10, 32, 31), pad(1), size),
        case("whole_steps_zero", zero, pad(1), size),
        case("whole_steps_wrap", wrap, pad(1), size),
    ]
}

/// Channels that are no whole steps, in filters that are more than segments.
fn partial() -> Vec<Case> {
    let positions = [0.0, 0.75, 2.25, 3.5, 4.0, 5.25, 6.5, 7.75, 9.0, 10.5];
    let blends = || learned(Window::tap_major(12, 3, 3).unwrap(), 20 * 12, &positions, 12, Boundary::None);
    let wrap = line(Window::tap_major(12, 3, 3).unwrap(), 130, &[-20, 0, 16, 33, 77, 120], Boundary::Wrap);
    let size = [1, 7, 9];
    vec![
        case("partial_steps_blends", blends(), pad(1), size),
        case("partial_steps_blends_gains", blends().with_gains(), pad(1), size),
        case("partial_steps_wrap_gains", wrap.with_gains(), pad(1), size),
    ]
}

/// Planes of whole quads: products, and convolutions of one tap.
fn quads() -> Vec<Case> {
    let size = [2, 6, 6];
    let pointwise = case("pointwise_quads", Placement::tap_major(12, 32, 1, 1, 32).unwrap(), pad(0), size);
    let gains = |placement: Placement| placement.with_gains();
    let positions = [0.0, 0.75, 2.25, 3.5, 4.0, 5.25, 6.5, 7.75, 9.0, 10.5];
    let blends = || learned(Window::tap_major(8, 3, 3).unwrap(), 20 * 8, &positions, 8, Boundary::None);
    let row = |name, placement| case(name, placement, walk([1; 2], [0, 1, 0, 1], [1; 2]), [2, 5, 8]);
    let wide = |name, placement| case(name, placement, pad(1), [2, 5, 8]);
    let strip = Placement::tap_major(9, 8, 1, 3, 8).unwrap();
    let blended_strip = learned(Window::tap_major(8, 1, 3).unwrap(), 14 * 8, &positions, 8, Boundary::None);
    let mut cases = vec![
        case("products_quads", taps3(12, 32, 32), pad(1), size),
        wide("terms_gains", gains(taps3(9, 8, 8))),
        wide("terms_blends", blends()),
        wide("terms_blends_gains", gains(blends())),
        row("terms_1x3_gains", gains(strip.clone())),
        row("terms_1x3_blends", blended_strip.clone()),
        row("terms_1x3_blends_gains", gains(blended_strip)),
    ];
    cases.extend(with_every_epilogue(&pointwise));
    cases.extend(with_every_epilogue(&wide("terms_quads", taps3(9, 8, 8))));
    cases.extend(with_every_epilogue(&row("terms_1x3", strip)));
    cases
}

/// All of them.
pub(super) fn steps() -> Vec<Case> {
    [loads(), partial(), quads()].concat()
}
