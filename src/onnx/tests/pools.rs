//! Pools whose padding is beyond half their kernel.

use super::model::{Is, Small, floats, list, node};
use crate::network::CpuNetwork;

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

/// As PyTorch writes a local response norm: of each square the mean with its neighbours in the channels, which are an
/// axis of pixels there.
#[test]
fn more_axes_are_padded_and_pooled_one_at_a_time() {
    let nodes = vec![
        node("Mul", &["x", "x"], &["s"], &[]),
        node("Reshape", &["s", "five"], &["f"], &[]),
        node("Pad", &["f", "pads"], &["p"], &[]),
        node(
            "AveragePool",
            &["p"],
            &["a"],
            &[("kernel_shape", Is::Ints(&[3, 1, 1])), ("strides", Is::Ints(&[1, 1, 1]))],
        ),
        node("Squeeze", &["a", "one"], &["q"], &[]),
        node("Reshape", &["q", "four"], &["m"], &[]),
        node("Mul", &["m", "alpha"], &["t"], &[]),
        node("Add", &["t", "k"], &["u"], &[]),
        node("Pow", &["u", "beta"], &["v"], &[]),
        node("Div", &["x", "v"], &["y"], &[]),
    ];
    let constants = vec![
        list("five", &[1, 1, 4, 2, -1]),
        list("pads", &[0, 0, 1, 0, 0, 0, 0, 1, 0, 0]),
        list("one", &[1]),
        list("four", &[1, 4, 2, 3]),
        floats("alpha", &[], &[0.5]),
        floats("k", &[], &[1.5]),
        floats("beta", &[], &[0.75]),
    ];
    let model = Small::new(&[1, 4, 2, 3], nodes, constants);
    let x = |at: usize| at as f64 / 8.0 - 1.0;
    for (at, got) in model.run().into_iter().enumerate() {
        let sum: f64 = (0..4_usize)
            .filter(|channel| channel.abs_diff(at / 6) <= 1)
            .map(|channel| x(channel * 6 + at % 6).powi(2))
            .sum();
        let want = x(at) / (0.5 * sum / 3.0 + 1.5).powf(0.75);
        assert!((f64::from(got) - want).abs() <= 1e-6, "{at}: {got}, not {want}");
    }
    // Every mode, less than nothing, and pools along another axis.
    let padded = |pads: &[i64], mode: &str| {
        let nodes = vec![
            node("Reshape", &["x", "five"], &["f"], &[]),
            node("Pad", &["f", "pads"], &["y"], &[("mode", Is::Word(mode))]),
        ];
        Small::new(&[1, 8], nodes, vec![list("five", &[1, 1, 2, 2, 2]), list("pads", pads)]).run()
    };
    let of = |places: &[usize]| places.iter().map(|&at| x(at) as f32).collect::<Vec<_>>();
    assert_eq!(padded(&[0, 0, 1, 0, 0, 0, 0, 0, 0, 0], "edge"), of(&[0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7]));
    assert_eq!(padded(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0], "reflect"), of(&[2, 3, 0, 1, 2, 3, 6, 7, 4, 5, 6, 7]));
    assert_eq!(padded(&[0, 0, -1, 0, 0, 0, 0, 0, 1, 0], "edge"), of(&[4, 5, 6, 7, 6, 7]));
    assert_eq!(padded(&[0; 10], "edge"), of(&[0, 1, 2, 3, 4, 5, 6, 7]));
    let pooled = |attributes: &[(&str, Is<'_>)]| {
        let nodes = vec![node("Reshape", &["x", "five"], &["f"], &[]), node("MaxPool", &["f"], &["y"], attributes)];
        Small::new(&[1, 12], nodes, vec![list("five", &[1, 1, 2, 3, 2])]).import()
    };
    let run = |attributes: &[(&str, Is<'_>)], want: &[usize], sizes: &[usize]| {
        let imported = pooled(attributes).unwrap();
        assert_eq!(imported.outputs[0].sizes, sizes);
        let input: Vec<f32> = (0..12).map(|at| x(at) as f32).collect();
        assert_eq!(CpuNetwork::new(&imported.network, 1, None).unwrap().run(&input).unwrap(), of(want));
    };
    let rows = ("kernel_shape", Is::Ints(&[1, 2, 1]));
    run(&[rows], &[2, 3, 4, 5, 8, 9, 10, 11], &[1, 1, 2, 2, 2]);
    let padding = [
        ("kernel_shape", Is::Ints(&[1, 2, 1])),
        ("pads", Is::Ints(&[0, 1, 0, 0, 0, 0])),
        ("strides", Is::Ints(&[1, 2, 1])),
    ];
    run(&padding, &[0, 1, 4, 5, 6, 7, 10, 11], &[1, 1, 2, 2, 2]);
    run(&[("kernel_shape", Is::Ints(&[1, 1, 1]))], &(0..12).collect::<Vec<_>>(), &[1, 1, 2, 3, 2]);
    let error = pooled(&[("kernel_shape", Is::Ints(&[2, 2, 1]))]).unwrap_err().to_string();
    assert!(error.contains("it reads a tensor of 5 axes"), "{error}");
}
