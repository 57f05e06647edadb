"""Filter Summary networks in PyTorch: convolutions whose filters overlap in one array (FSNet, arXiv 1902.03264).

`FsConv2d` is the layer, `compress` puts it into a trained model, `export` writes the network format
(docs/format.md of the repository), which `fsnet` and the Rust crate run anywhere.
"""

from .compress import Compressed, compress
from .conv import FsConv2d
from .export import Exported, ExportError, export
from .interpret import FormatError, Interpreter
from .placement import Layout, Placement, PlacementError, Placements
from .quantize import quantize_aware
from .report import Report

__version__ = "0.1.0"

__all__ = [
    "Compressed", "ExportError", "Exported", "FormatError", "FsConv2d", "Interpreter", "Layout", "Placement",
    "PlacementError", "Placements", "Report", "__version__", "compress", "export", "quantize_aware",
]  # fmt: skip
