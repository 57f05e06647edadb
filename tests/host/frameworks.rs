//! What frameworks round in f32 that the executors take from f64, within what the reference allows.
#![allow(clippy::unwrap_used)]

use filter_summary::network::{
    BatchNorm, Bounded, Coordinates, Network, NetworkReference, Resize, ResizeMode, Rounding,
};

use crate::common::operands::Random;

/// The largest part of the tolerance that numbers need.
fn fraction(bounded: &Bounded, got: &[f32]) -> f64 {
    assert_eq!(bounded.output.len(), got.len());
    let pairs = bounded.output.iter().zip(&bounded.error).zip(got);
    pairs.map(|((want, error), &got)| (f64::from(got) - want).abs() / (error + 1e-30)).fold(0.0, f64::max)
}

fn resized(size: [usize; 2], resize: Resize, image: &[f32]) -> Bounded {
    let mut net = Network::builder([1, size[0], size[1]]).unwrap();
    let resized = net.resize("resize", net.input(), resize).unwrap();
    let network = net.finish(resized).unwrap();
    NetworkReference::new(&network).unwrap().image(image).unwrap()
}

/// Places and shares of an axis as PyTorch has them: the scale is a factor.
fn by_products(input: usize, output: usize) -> Vec<(usize, usize, f32)> {
    let scale = input as f32 / output as f32;
    let place = |at: usize| {
        let place = (scale * (at as f32 + 0.5) - 0.5).max(0.0);
        let first = (place.floor() as usize).min(input - 1);
        (first, (first + 1).min(input - 1), place - first as f32)
    };
    (0..output).map(place).collect()
}

/// As ONNX Runtime: the scale is a divisor, and places end at the last pixel.
fn by_quotients(input: usize, output: usize) -> Vec<(usize, usize, f32)> {
    let scale = output as f32 / input as f32;
    let place = |at: usize| {
        let place = ((at as f32 + 0.5) / scale - 0.5).max(0.0).min((input - 1) as f32);
        let first = place.floor() as usize;
        (first, (first + 1).min(input - 1), place - first as f32)
    };
    (0..output).map(place).collect()
}

#[test]
fn bilinear_images_of_odd_sizes_are_within_the_bound() {
    let input = [37, 53];
    let mut random = Random::new(7);
    let image: Vec<f32> = (0..37 * 53).map(|_| random.float()).collect();
    // What exact places would allow: the blend's own roundings.
    let mut of_blend: f64 = 0.0;
    for size in [[41, 97], [111, 300], [600, 19], [36, 52], [5, 1000]] {
        let bounded = resized(input, Resize::to(size), &image);
        for axis in [by_products, by_quotients] {
            let (rows, columns) = (axis(37, size[0]), axis(53, size[1]));
            let mut got = Vec::new();
            for &(top, bottom, down) in &rows {
                for &(left, right, along) in &columns {
                    let line = |row: usize| (1.0 - along) * image[row * 53 + left] + along * image[row * 53 + right];
                    got.push((1.0 - down) * line(top) + down * line(bottom));
                }
            }
            let worst = fraction(&bounded, &got);
            assert!(worst <= 1.0, "{size:?}: {worst}");
            let difference = |(want, got): (&f64, &f32)| (want - f64::from(*got)).abs();
            of_blend = bounded.output.iter().zip(&got).map(difference).fold(of_blend, f64::max);
        }
        // It is no bound that hides anything.
        assert!(bounded.error.iter().all(|&error| error < 1e-3));
    }
    assert!(of_blend > 4.0 * f64::from(f32::EPSILON), "{of_blend}: places in f32 do not show");
}

/// Of 2 pixels, 82: in the middle PyTorch takes the first, which lies exactly at the second.
#[test]
fn nearest_pixels_at_ties_are_either() {
    let nearest =
        Resize::to([1, 82]).with_mode(ResizeMode::Nearest(Rounding::Floor)).with_coordinates(Coordinates::Asymmetric);
    let bounded = resized([1, 2], nearest, &[1.0, 3.0]);
    let pytorch: Vec<usize> = (0..82).map(|at| (at as f32 * (2.0f32 / 82.0)).floor() as usize).collect();
    assert_eq!((pytorch[40], pytorch[41], pytorch[42]), (0, 0, 1));
    for (at, &pixel) in pytorch.iter().enumerate() {
        let exact = usize::from(at >= 41);
        assert_eq!(bounded.output[at], [1.0, 3.0][exact]);
        assert_eq!(bounded.error[at], if pixel == exact { 0.0 } else { 2.0 }, "{at}");
    }
    // Twice as many pixels are where they are, in any arithmetic.
    let doubled = Resize::by([1.0, 2.0])
        .with_mode(ResizeMode::Nearest(Rounding::Floor))
        .with_coordinates(Coordinates::Asymmetric);
    assert_eq!(resized([1, 2], doubled, &[1.0, 3.0]).error, [0.0; 4]);
}

/// Batch norm of four vectors in f32, beside the one that is made of them in f64.
#[test]
fn batch_norms_of_four_vectors_are_within_the_bound() {
    let channels = 4096;
    let mut random = Random::new(9);
    let mut vector = |of: fn(f32) -> f32| (0..channels).map(|_| of(random.float())).collect::<Vec<f32>>();
    let (gamma, beta) = (vector(|value| value + 1.5), vector(|value| value));
    let variance = vector(|value| value.abs() + 0.01);
    let x = vector(|value| 2.0 * value);
    // A mean no farther from 0 than the value.
    let mean: Vec<f32> = x.iter().map(|value| value * 0.9).collect();
    let (mut scale, mut bias, mut got) = (Vec::new(), Vec::new(), Vec::new());
    for at in 0..channels {
        let [gamma, beta, mean, variance] = [gamma[at], beta[at], mean[at], variance[at]];
        let exact = f64::from(gamma) / (f64::from(variance) + 1e-5).sqrt();
        scale.push(exact as f32);
        bias.push((f64::from(beta) - f64::from(mean) * exact) as f32);
        let factor = gamma / (variance + 1e-5f32).sqrt();
        got.push(x[at] * factor + (beta - mean * factor));
    }
    let mut net = Network::builder([channels, 1, 1]).unwrap();
    let norm = net.batch_norm("norm", net.input(), BatchNorm::new(scale, bias)).unwrap();
    let network = net.finish(norm).unwrap();
    let bounded = NetworkReference::new(&network).unwrap().image(&x).unwrap();
    let worst = fraction(&bounded, &got);
    // More than the operation itself rounds, which is a fifth.
    assert!((0.2..=1.0).contains(&worst), "{worst}");
}
