//! Pools whose padding is beyond half their kernel.

use super::model::{Is, Small, node};

fn x(at: usize) -> f64 {
    at as f64 / 8.0 - 1.0
}

/// Of a row of seven: windows of 3, and padding before and behind it.
#[derive(Clone, Copy, Debug)]
struct Row {
    stride: usize,
    padding: [usize; 2],
    ceil: bool,
    counts_padding: bool,
}

const KERNEL: usize = 3;
const SIZE: usize = 7;

impl Row {
    fn model(self, operator: &str) -> Small {
        let [before, behind] = self.padding.map(|pad| pad as i64);
        let attributes = [
            ("kernel_shape", Is::Ints(&[1, KERNEL as i64])),
            ("pads", Is::Ints(&[0, before, 0, behind])),
            ("strides", Is::Ints(&[1, self.stride as i64])),
            ("ceil_mode", Is::Int(self.ceil.into())),
            ("count_include_pad", Is::Int(self.counts_padding.into())),
        ];
        let attributes = &attributes[..if operator == "MaxPool" { 4 } else { 5 }];
        Small::new(&[1, 1, 1, SIZE as i64], vec![node(operator, &["x"], &["y"], attributes)], vec![])
    }

    /// The values of every window, and of how many an average is.
    fn windows(self) -> Vec<(Vec<f64>, usize)> {
        let [before, behind] = self.padding;
        let padded = before + SIZE + behind;
        let rest = padded - KERNEL;
        let count = if self.ceil { rest.div_ceil(self.stride) } else { rest / self.stride } + 1;
        let starts = (0..count).map(|at| at * self.stride).filter(|&start| !self.ceil || start < SIZE + before);
        let window = |start: usize| {
            let ends = start..(start + KERNEL).min(padded);
            let inside: Vec<f64> =
                ends.clone().filter(|at| (before..before + SIZE).contains(at)).map(|at| x(at - before)).collect();
            let count = if self.counts_padding { ends.len() } else { inside.len() };
            (inside, count)
        };
        starts.map(window).collect()
    }
}

#[test]
fn padding_beyond_half_the_kernel_is_put_around_the_image() {
    for stride in [1, 2, 3] {
        for (ceil, counts_padding) in [(false, false), (false, true), (true, false), (true, true)] {
            for padding in [[2, 0], [0, 2], [2, 2], [1, 2]] {
                let row = Row { stride, padding, ceil, counts_padding };
                let windows = row.windows();
                let most = |of: &[f64]| of.iter().copied().fold(f64::NEG_INFINITY, f64::max) as f32;
                let want: Vec<f32> = windows.iter().map(|(of, _)| most(of)).collect();
                assert_eq!(row.model("MaxPool").run(), want, "{row:?}");
                let average = row.model("AveragePool").run();
                assert_eq!(average.len(), windows.len(), "{row:?}");
                for (got, (of, count)) in average.into_iter().zip(windows) {
                    let want = of.iter().sum::<f64>() / count as f64;
                    assert!((f64::from(got) - want).abs() <= 1e-6, "{row:?}: {got}, not {want}");
                }
            }
        }
    }
}

#[test]
fn averages_of_nothing_are_refused() {
    let row = Row { stride: 1, padding: [3, 0], ceil: false, counts_padding: false };
    let error = row.model("AveragePool").import().unwrap_err().to_string();
    assert!(error.contains("a window lies in its padding [0, 3, 0, 0] alone"), "{error}");
    let zeros = Row { counts_padding: true, ..row }.model("AveragePool").run();
    assert_eq!((zeros[0], zeros.len()), (0.0, 8));
}
