//! Groups of layers, and geometric means over them.

use crate::model::Layer;

/// Layers that are averaged together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// 3x3, stride 1.
    Stride1,
    /// 3x3, stride 2.
    Stride2,
    /// Both.
    ThreeByThree,
    /// 1x1.
    Pointwise,
    /// Larger windows.
    Large,
}

impl Group {
    /// The groups that exclude each other.
    pub(crate) const EACH: [Self; 4] = [Self::Stride1, Self::Stride2, Self::Pointwise, Self::Large];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stride1 => "3x3, stride 1",
            Self::Stride2 => "3x3, stride 2",
            Self::ThreeByThree => "3x3",
            Self::Pointwise => "1x1",
            Self::Large => "5x5 and 7x7",
        }
    }

    pub(crate) fn contains(self, layer: &Layer) -> bool {
        match self {
            Self::Stride1 => layer.kernel == 3 && layer.stride == 1,
            Self::Stride2 => layer.kernel == 3 && layer.stride == 2,
            Self::ThreeByThree => layer.kernel == 3,
            Self::Pointwise => layer.kernel == 1,
            Self::Large => layer.kernel > 3,
        }
    }
}

/// The geometric mean, `None` of nothing.
pub(crate) fn geometric_mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| (values.iter().map(|value| value.ln()).sum::<f64>() / values.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometric_means() {
        assert_eq!(geometric_mean(&[]), None);
        assert!((geometric_mean(&[2.0, 8.0]).unwrap() - 4.0).abs() < 1e-12);
    }

    #[test]
    fn each_layer_is_in_one_group() {
        for (kernel, stride) in [(1, 1), (3, 1), (3, 2), (5, 2), (7, 2)] {
            let layer = Layer { kernel, stride, ..Layer::default() };
            assert_eq!(Group::EACH.iter().filter(|group| group.contains(&layer)).count(), 1, "{kernel} /{stride}");
        }
    }
}
