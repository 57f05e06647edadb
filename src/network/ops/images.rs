//! Operations that put the rows and columns of images elsewhere.

mod pad;
mod resample;
mod resize;
mod shortcut_a;
mod upsample_nearest;

pub use pad::{Pad, PadMode};
pub use resize::{Coordinates, Resize, ResizeMode, ResizeSize, Rounding};
pub use shortcut_a::ShortcutA;
pub use upsample_nearest::UpsampleNearest;

use super::{FileOp, NodeInput, NodeJson, Op, Operation, Work};
#[cfg(feature = "cpu")]
use resample::Reach;
use resample::{Picker, Picks, Resample, check_sides};

/// What files call them.
pub(super) const FILE_OPS: [&[FileOp]; 4] =
    [shortcut_a::FILE_OPS, upsample_nearest::FILE_OPS, resize::FILE_OPS, pad::FILE_OPS];
