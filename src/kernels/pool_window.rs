//! `pool_window`: the largest or average value of large windows, a workgroup a window or a block of one.

use super::pool::{self, Pool, Uniform};
use super::{Description, Kernel, Role, Variant, Work};

/// What of a window a dispatch computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// All of it.
    Window,
    /// The values of its blocks.
    Blocks,
    /// Its value, from those of its blocks.
    Finish,
}

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PoolWindow {
    pub(crate) stage: Stage,
    pub(crate) read_write: bool,
}

impl Kernel for PoolWindow {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::PoolWindow(self)
    }

    fn describe(&self) -> Description {
        let (name, stage, roles) = match self.stage {
            Stage::Window => ("pool_window", 0, [Role::Input, Role::Output]),
            Stage::Blocks => ("pool_blocks", 1, [Role::Input, Role::ProductsOut]),
            Stage::Finish => ("pool_finish", 2, [Role::ProductsIn, Role::Output]),
        };
        let described = pool::described(name, include_str!("../../shaders/network/pool_window.wgsl"));
        let described = described.constant("STAGE", stage).role(roles[0]).role(roles[1]);
        // A value a lane.
        described.workgroup_bytes(4 * u64::from(Pool::LANES)).read_write(self.read_write)
    }

    fn turns(&self, uniform: &Uniform) -> u64 {
        let values = match self.stage {
            Stage::Window | Stage::Blocks => uniform.block,
            Stage::Finish => uniform.blocks,
        };
        u64::from(values.div_ceil(Pool::LANES))
    }

    fn work(&self, _: &Uniform) -> Work {
        Work::MEMORY
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl PoolWindow {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        let stages = [Stage::Window, Stage::Blocks, Stage::Finish];
        stages.into_iter().flat_map(|stage| [false, true].map(|read_write| Self { stage, read_write })).collect()
    }
}
