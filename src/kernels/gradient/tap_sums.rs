//! `tap_sums`: what every tap of every filter contributes, from the products that it adds up.

use bytemuck::{Pod, Zeroable};

use crate::kernels::{Description, Geometry, Kernel, Role, Variant, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TapSums {
    /// Filters are blends of two segments.
    pub(crate) blended: bool,
    /// Threads along a row of outputs, of those that share a sum; 1 where none do.
    pub(crate) lanes_x: u32,
}

/// `Params` of the shader.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) conv: Geometry,
    pub(crate) sums: u32,
    pub(crate) image_rows: u32,
    pub(crate) rows: u32,
    pub(crate) tap_rows_at: u32,
    pub(crate) first_sum: u32,
}

impl TapSums {
    /// Threads of a workgroup.
    const LANES: u32 = 64;

    /// What there may be of them along a row, where they share a sum.
    const LANES_X: [u32; 3] = [8, 16, 64];

    /// For outputs of this width: as many along a row as leave few idle, so that neighbours load side by side.
    pub(crate) fn shared(blended: bool, out_width: usize) -> Self {
        let idle = |lanes: &u32| out_width.next_multiple_of(*lanes as usize);
        let lanes_x = Self::LANES_X.into_iter().rev().min_by_key(idle).unwrap_or(Self::LANES_X[0]);
        Self { blended, lanes_x }
    }

    /// A thread a sum.
    pub(crate) fn own(blended: bool) -> Self {
        Self { blended, lanes_x: 1 }
    }

    fn is_shared(self) -> bool {
        self.lanes_x > 1
    }

    /// Threads along the rows of a sum's outputs.
    fn lanes_y(self) -> u32 {
        if self.is_shared() { Self::LANES / self.lanes_x } else { 1 }
    }

    /// Sums of a workgroup.
    pub(crate) fn sums(self) -> u64 {
        if self.is_shared() { 1 } else { Self::LANES.into() }
    }

    /// Outputs that a thread adds up.
    fn outputs(self, uniform: &Uniform) -> [u64; 2] {
        [uniform.image_rows.div_ceil(self.lanes_y()), uniform.conv.out_width.div_ceil(self.lanes_x)].map(u64::from)
    }
}

impl Kernel for TapSums {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::TapSums(self)
    }

    fn describe(&self) -> Description {
        let text = include_str!("../../../shaders/gradient/tap_sums.wgsl");
        let described = Description::of_convolution("tap_sums", text, Self::LANES);
        let described = described.word(format!("{}x{}", self.lanes_x, self.lanes_y()));
        let described = if self.blended { described.word("blend").constant("NEIGHBOURS", 2) } else { described };
        let roles = [Role::Input, Role::Table, Role::Output, Role::Residual];
        let described = roles.into_iter().fold(described, Description::role).read_write(true);
        let lanes = [("LANES", Self::LANES), ("LANES_X", self.lanes_x), ("LANES_Y", self.lanes_y())];
        let described = described.constants(lanes);
        if self.is_shared() {
            let shared = include_str!("../../../shaders/gradient/parts/lanes_shared.wgsl");
            described.part(shared).workgroup_bytes(4 * u64::from(Self::LANES))
        } else {
            described.part(include_str!("../../../shaders/gradient/parts/lanes_own.wgsl"))
        }
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        let [rows, columns] = self.outputs(uniform);
        rows.saturating_mul(1 + columns).saturating_add(7)
    }

    fn unrolled(&self) -> u64 {
        // A row's loop ends.
        1
    }

    fn work(&self, uniform: &Uniform) -> Work {
        let [rows, columns] = self.outputs(uniform);
        Work { vector: 8.0, values: 2.0, ..Work::default() }.times(rows.saturating_mul(columns))
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl TapSums {
    /// For tests.
    pub(in crate::kernels) fn variants() -> Vec<Self> {
        let of_lanes = |lanes_x| [false, true].map(|blended| Self { blended, lanes_x });
        [1].into_iter().chain(Self::LANES_X).flat_map(of_lanes).collect()
    }
}
