//! Transposed convolutions on the CPU that take their taps, or their channels, in several pieces.
#![cfg(all(feature = "cpu", feature = "network"))]
#![allow(clippy::unwrap_used)]

use filter_summary::Conv2d;
use filter_summary::network::{ConvTranspose, CpuNetwork, Network};

/// Small whole numbers.
fn number(at: usize) -> f32 {
    (at * 7 % 11) as f32 - 5.0
}

#[test]
fn pieces_join_exactly() {
    // Channels in and out, height and width, kernel, stride. Products of all taps of the first are 70 MB.
    for (inputs, outputs, [height, width], kernel, stride) in
        [(2, 3, [190, 200], 15, 1), (3, 40, [40, 50], 3, 2), (1, 2, [3, 4], 1, 300)]
    {
        let mut net = Network::builder([inputs, height, width]).unwrap();
        let weight: Vec<f32> = (0..inputs * outputs * kernel * kernel).map(number).collect();
        let conv = Conv2d { stride: [stride; 2], ..Conv2d::default() };
        let up = ConvTranspose::new(weight.clone(), [inputs, outputs, kernel, kernel], conv).unwrap();
        let up = net.conv_transpose("up", net.input(), up).unwrap();
        let [_, out_height, out_width] = up.shape();
        let network = net.finish(up).unwrap();
        let input: Vec<f32> = (0..inputs * height * width).map(|at| number(at + 3)).collect();
        let got = CpuNetwork::new(&network, 1, None).unwrap().run(&input).unwrap();
        let mut want = vec![0.0f32; got.len()];
        for (at, value) in input.iter().enumerate() {
            let (channel, y, x) = (at / (height * width), at / width % height, at % width);
            for (tap, output) in (0..kernel * kernel).flat_map(|tap| (0..outputs).map(move |output| (tap, output))) {
                let (row, column) = (y * stride + tap / kernel, x * stride + tap % kernel);
                let weight = weight[(channel * outputs + output) * kernel * kernel + tap];
                want[(output * out_height + row) * out_width + column] += value * weight;
            }
        }
        assert!(got == want, "{inputs} to {outputs} channels, {height}x{width}, kernel {kernel}, stride {stride}");
    }
}
