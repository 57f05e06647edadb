//! Shapes of arrays beside a network.

use filter_summary::network::{ConvKind, Network, Node, Op, Source};

/// The images of an array `[N, C, H, W]`; of one of fewer axes, which leaves out some of size 1 or, of one image, N; or
/// of one of more, of which the width is all from the fourth on. `None` where it is none of these.
pub(super) fn images(shape: &[usize], of: [usize; 3]) -> Option<usize> {
    let large = |sizes: &[usize]| sizes.iter().copied().filter(|&size| size != 1).collect::<Vec<_>>();
    match *shape {
        [images, c, h, w] => ([c, h, w] == of).then_some(images),
        [images, c, h, ref rest @ ..] if rest.len() > 1 => {
            let width = rest.iter().try_fold(1usize, |all, &size| all.checked_mul(size));
            (Some([c, h, width?]) == Some(of) || large(&shape[1..]) == large(&of)).then_some(images)
        }
        [images, ref rest @ ..] if large(rest) == large(&of) => Some(images),
        // A column is not one image: it would as well be images of one number.
        _ => (large(shape) == large(&of) && (shape.len() == 1 || large(shape).len() > 1)).then_some(1),
    }
}

/// Height and width of an array `[N, C, H, W]` of as many channels as the network's input has.
pub(super) fn size(shape: &[usize], channels: usize) -> Option<[usize; 2]> {
    match *shape {
        [_, c, height, width] if c == channels => Some([height, width]),
        _ => None,
    }
}

/// The shape of an output as frameworks have it: `[N, O]` behind a linear layer or what flattens, else
/// `[N, O, OH, OW]`. Arrays of both shapes side by side would be broadcast, without a word.
pub(super) fn of_output(network: &Network, output: &Node, images: usize) -> Vec<usize> {
    let [channels, height, width] = output.shape;
    let output = network.nodes().iter().position(|node| std::ptr::eq(node, output));
    if [height, width] == [1, 1] && output.is_some_and(|output| is_flat(network, output)) {
        vec![images, channels]
    } else {
        vec![images, channels, height, width]
    }
}

/// Whether a node's value of one pixel has no height and width: those before it, that only compute with those of
/// theirs, do not matter.
fn is_flat(network: &Network, mut node: usize) -> bool {
    loop {
        let of = &network.nodes()[node];
        match (&of.op, of.inputs.first()) {
            (Op::Conv(conv), _) => return conv.kind == ConvKind::Linear,
            (Op::Flatten, _) => return true,
            (
                Op::Binary(_) | Op::Activation(_) | Op::Prelu(_) | Op::BatchNorm(_) | Op::Concat(_) | Op::Softmax(_),
                Some(Source::Node(before)),
            ) if network.nodes()[*before].shape[1..] == [1, 1] => node = *before,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use filter_summary::Conv2d;
    use filter_summary::network::{Binary, ConvOp, Network};

    use super::{images, of_output};

    /// What is behind a linear layer may be larger than that.
    #[test]
    fn only_values_of_one_pixel_are_flat() {
        let mut net = Network::builder([2, 3, 4]).unwrap();
        let pooled = net.global_avg_pool("pooled", net.input()).unwrap();
        let linear = net.conv("linear", pooled, ConvOp::linear(vec![1.0; 4], [2, 2]).unwrap()).unwrap();
        let gated = net.binary("gated", [linear, net.input()], Binary::mul()).unwrap();
        let conv = ConvOp::dense(vec![1.0; 4], [2, 2, 1, 1], Conv2d::default()).unwrap();
        let conv = net.conv("conv", pooled, conv).unwrap();
        let sum = net.binary("sum", [linear, linear], Binary::add()).unwrap();
        let network = net.finish_with_outputs(&[linear, gated, conv, sum]).unwrap();
        let shapes: Vec<Vec<usize>> = network.outputs().map(|node| of_output(&network, node, 5)).collect();
        assert_eq!(shapes, [vec![5, 2], vec![5, 2, 3, 4], vec![5, 2, 1, 1], vec![5, 2]]);
    }

    #[test]
    fn axes_of_size_1_may_be_left_out() {
        for (shape, of, want) in [
            (&[5, 3, 4, 2][..], [3, 4, 2], Some(5)),
            (&[5, 3], [3, 1, 1], Some(5)),
            (&[5, 3, 1], [3, 1, 1], Some(5)),
            (&[5, 3, 4], [3, 4, 1], Some(5)),
            (&[5, 3, 4], [3, 1, 4], Some(5)),
            (&[5, 1, 3, 1, 1], [3, 1, 1], Some(5)),
            // The width of the network is all axes behind the height.
            (&[5, 3, 4, 2, 3], [3, 4, 6], Some(5)),
            (&[5, 3, 4, 2, 3], [3, 8, 3], None),
            // One image without its N, and a value of none.
            (&[3, 4, 2], [3, 4, 2], Some(1)),
            (&[3], [3, 1, 1], Some(1)),
            (&[7], [1, 1, 1], Some(7)),
            (&[], [1, 1, 1], None),
            // Of four axes every one is what it says: another is an image of another size.
            (&[5, 3, 1, 4], [3, 4, 1], None),
            (&[5, 4, 3], [3, 4, 1], None),
            (&[5, 3, 4, 2], [3, 2, 4], None),
            (&[15], [3, 1, 1], None),
            (&[4, 1], [4, 1, 1], None),
            (&[5, 3, 4, usize::MAX, 2], [3, 4, 2], None),
        ] {
            assert_eq!(images(shape, of), want, "{shape:?} of {of:?}");
        }
    }
}
