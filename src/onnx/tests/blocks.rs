//! Values that are cut into blocks, whose axes change places: as one operation of the format where that is one.

use super::model::{Is, Small, list, node};
use crate::network::CpuNetwork;

/// How five axes lie in three.
type Three = fn([usize; 5]) -> [usize; 3];

fn to_ints<const N: usize>(numbers: [usize; N]) -> [i64; N] {
    numbers.map(|number| number as i64)
}

/// All orders of five axes.
fn orders() -> Vec<[usize; 5]> {
    let all = (0..3125).map(|at| [at / 625, at / 125 % 5, at / 25 % 5, at / 5 % 5, at % 5]);
    all.filter(|order| (0..5).all(|axis| order.contains(&axis))).collect()
}

/// Without axes of size 1 the order of what is left may be that of another operation.
#[test]
fn blocks_go_where_the_model_puts_them_whatever_sizes_are_1() {
    let pixels: Three = |[a, b, c, d, e]| [a, b * c, d * e];
    let channels: Three = |[a, b, c, d, e]| [a * b * c, d, e];
    let mut kinds = [0, 0];
    for sizes in [[2, 2, 2, 2, 2], [1, 2, 2, 3, 2], [2, 1, 2, 4, 2], [3, 2, 2, 1, 2], [2, 2, 2, 1, 3], [1, 2, 2, 1, 2]]
    {
        for order in orders() {
            let turned = order.map(|axis| sizes[axis]);
            // Where in `x` what comes out at a place was.
            let place = |at: usize| {
                let (mut place, mut left) = ([0; 5], at);
                for axis in (0..5).rev() {
                    (place[order[axis]], left) = (left % turned[axis], left / turned[axis]);
                }
                place.iter().zip(sizes).fold(0, |all, (&at, size)| all * size + at)
            };
            let count = sizes.iter().product::<usize>();
            let want: Vec<f32> = (0..count).map(|at| place(at) as f32).collect();
            for (from, to) in [(pixels, channels), (channels, pixels), (pixels, pixels), (channels, channels)] {
                let [of, made] = [to_ints(from(sizes)), to_ints(to(turned))];
                let nodes = vec![
                    node("Reshape", &["x", "five"], &["b"], &[]),
                    node(
                        "Transpose",
                        &["b"],
                        &["t"],
                        &[(
                            "perm",
                            Is::Ints(&to_ints(
                                [0, 1, 2, 3, 4, 5].map(|axis| if axis == 0 { 0 } else { order[axis - 1] + 1 }),
                            )),
                        )],
                    ),
                    node("Reshape", &["t", "three"], &["y"], &[]),
                ];
                let five = [&[-1], &to_ints(sizes)[..]].concat();
                let constants = vec![list("five", &five), list("three", &[&[-1], &made[..]].concat())];
                let network = Small::new(&[&[0], &of[..]].concat(), nodes, constants).network();
                let got = CpuNetwork::new(&network, 1, None)
                    .unwrap()
                    .run(&(0..count).map(|at| at as f32).collect::<Vec<_>>());
                assert_eq!(got.unwrap(), want, "{sizes:?} {order:?} {of:?} {made:?}");
                let words = super::model::words(&network).concat();
                kinds[0] += usize::from(words.contains("DepthToSpace"));
                kinds[1] += usize::from(words.contains("SpaceToDepth"));
            }
        }
    }
    assert!(kinds.iter().all(|&many| many > 10), "{kinds:?}");
}
