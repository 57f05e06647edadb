//! The same network for images of another size.

use super::builder::Value;
use super::{Network, Op, Source};
use crate::error::{Error, Result};

impl Network {
    /// The same network for images of another height and width. It shares this one's weights, so that it costs no more
    /// than a list of nodes. [`BySize`](super::BySize) keeps what runs each.
    ///
    /// # Errors
    /// When a node cannot read its input in that size, or was made for images of one size: a `linear` layer, a
    /// `reshape`, a `resize` to a size, a `slice` that ends within the image, a constant of more than one pixel. The
    /// message names it.
    pub fn with_input_size(&self, [height, width]: [usize; 2]) -> Result<Self> {
        let mut builder = Self::builder([self.input.shape[0], height, width])?;
        builder.preprocess(self.input.preprocess.clone())?;
        builder.labels(self.labels.clone());
        for (key, value) in &self.metadata {
            builder.metadata(key, value)?;
        }
        let mut values: Vec<Value> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let value_of = |source: &Source| match *source {
                Source::Input => builder.input(),
                Source::Node(index) => values[index],
            };
            let inputs: Vec<Value> = node.inputs.iter().map(value_of).collect();
            if let Some(&source) = node.inputs.first() {
                let source = self.before_flatten(source);
                let (before, now) = (self.shape_of(source), value_of(&source).shape());
                let tie = node.op.operation().tie(before).filter(|_| now != before);
                if let Some(tie) = tie {
                    let reason = format!("{tie}: it cannot read {now:?} where it read {before:?}");
                    return Err(Error::format(format!("node {}", node.name), reason));
                }
            }
            values.push(builder.node(&node.name, node.op.clone(), &inputs)?);
        }
        let outputs: Vec<Value> = self.outputs.iter().map(|&output| values[output]).collect();
        builder.finish_with_outputs(&outputs)
    }

    /// What has the values of `source` as an image: as many of them may be one of another height.
    fn before_flatten(&self, mut source: Source) -> Source {
        while let Source::Node(index) = source
            && self.nodes[index].op == Op::Flatten
            && let Some(&flattened) = self.nodes[index].inputs.first()
        {
            source = flattened;
        }
        source
    }
}
