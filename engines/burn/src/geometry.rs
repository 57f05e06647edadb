//! What a layer computes, without its weights: where its filters lie, and how they walk over the input.

use std::fmt;
use std::sync::{Arc, OnceLock};

use filter_summary::{Conv2d, Placement, Result, Starts};

#[cfg(feature = "wgpu")]
use crate::cube::Layers;
use crate::error::value;
use crate::table::{IndexTable, OnDevices};

/// Where the filters of a layer lie in its summary, and stride, padding, dilation and groups. Cloning copies a pointer;
/// clones share what was made for it: the table of indices, and plans for the shapes of inputs seen last.
#[derive(Clone)]
pub struct FsGeometry {
    shared: Arc<Shared>,
}

struct Shared {
    placement: Placement,
    conv: Conv2d,
    table: OnceLock<IndexTable>,
    on_devices: OnDevices,
    #[cfg(feature = "wgpu")]
    layers: Layers,
}

impl FsGeometry {
    /// A layer of `placement`'s filters. `[O, C/groups, KH, KW]` are the placement's.
    ///
    /// # Errors
    /// When groups, a stride or a dilation is zero, or groups do not divide the filters.
    pub fn new(placement: Placement, conv: Conv2d) -> Result<Self> {
        let Conv2d { stride, dilation, groups, .. } = conv;
        for (field, numbers) in [("stride", stride), ("dilation", dilation)] {
            if let Some(axis) = numbers.iter().position(|&number| number == 0) {
                return Err(value(format!("{field}[{axis}]"), 0, "it must be at least 1"));
            }
        }
        let filters = placement.filters();
        if groups == 0 || !filters.is_multiple_of(groups) {
            return Err(value("groups", groups, format!("it must divide the {filters} output channels")));
        }
        Ok(Self {
            shared: Arc::new(Shared {
                placement,
                conv,
                table: OnceLock::new(),
                on_devices: OnDevices::default(),
                #[cfg(feature = "wgpu")]
                layers: Layers::default(),
            }),
        })
    }

    /// Where the filters lie.
    pub fn placement(&self) -> &Placement {
        &self.shared.placement
    }

    /// Stride, padding, dilation, groups.
    pub fn conv(&self) -> Conv2d {
        self.shared.conv
    }

    /// C, the channels of inputs.
    pub fn channels(&self) -> usize {
        self.placement().window().channels() * self.conv().groups
    }

    /// `[O, C/groups, KH, KW]`, the shape of the dense filters that the summary stands for.
    pub fn dense_shape(&self) -> [usize; 4] {
        let (placement, window) = (self.placement(), self.placement().window());
        [placement.filters(), window.channels(), window.height(), window.width()]
    }

    /// Values of a summary with zeros behind, L rounded up to a multiple of four: kernels read four at a time.
    pub fn padded_length(&self) -> usize {
        self.placement().length().next_multiple_of(4)
    }

    /// `[N, O, OH, OW]` for an input `[N, C, H, W]`.
    ///
    /// # Errors
    /// When the input has other channels, a size is zero, or the kernel exceeds the padded input.
    pub fn output_shape(&self, [batch, channels, height, width]: [usize; 4]) -> Result<[usize; 4]> {
        if channels != self.channels() {
            return Err(value("input channels", channels, format!("the layer has {}", self.channels())));
        }
        if batch == 0 {
            return Err(value("batch", 0, "it must be at least 1"));
        }
        let [filters, _, kernel_height, kernel_width] = self.dense_shape();
        let [out_height, out_width] = self.conv().output_size([height, width], [kernel_height, kernel_width])?;
        Ok([batch, filters, out_height, out_width])
    }

    /// The positions of filters, where they are learned ([`Starts::Learned`]): `[O]`, in units.
    pub fn positions(&self) -> Option<&[f32]> {
        match self.placement().starts() {
            Starts::Learned { positions, .. } => Some(positions),
            _ => None,
        }
    }

    /// The same layer with its filters at other learned positions. It is this one, with all that was made for it, where
    /// they are the same.
    ///
    /// # Errors
    /// When positions are not learned, are not one a filter, not finite, or lead outside a summary without boundary.
    pub fn with_positions(&self, positions: &[f32]) -> Result<Self> {
        let Starts::Learned { length, positions: own, unit } = self.placement().starts() else {
            return Err(value("positions", "given", "the placement has fixed starts"));
        };
        if positions.len() != own.len() {
            let rule = format!("the placement has {} filters", own.len());
            return Err(value("positions", format!("{} numbers", positions.len()), rule));
        }
        if positions == own {
            return Ok(self.clone());
        }
        let starts = Starts::Learned { length: *length, positions: positions.to_vec(), unit: *unit };
        let moved = Placement::new(self.placement().window().clone(), starts, self.placement().boundary())?;
        Self::new(if self.placement().has_gains() { moved.with_gains() } else { moved }, self.conv())
    }

    pub(crate) fn table(&self) -> &IndexTable {
        self.shared.table.get_or_init(|| IndexTable::new(self.placement()))
    }

    pub(crate) fn on_devices(&self) -> &OnDevices {
        &self.shared.on_devices
    }

    #[cfg(feature = "wgpu")]
    pub(crate) fn layers(&self) -> &Layers {
        &self.shared.layers
    }
}

impl fmt::Debug for FsGeometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([filters, channels, height, width], length) = (self.dense_shape(), self.placement().length());
        write!(f, "FsGeometry({filters}x{channels}x{height}x{width} in {length}, {:?})", self.conv())
    }
}
