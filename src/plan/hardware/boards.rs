//! GPUs by name. Processors, clocks and bandwidths are those of the manufacturers' product pages (boost or game clocks
//! as they have them, reference boards); what a processor does in a clock is its architecture's.

/// What a processor does in a clock.
pub(super) struct Architecture {
    /// Multiply-adds of f32.
    pub(super) lanes: u32,
    /// Bytes of workgroup memory; 0 where nothing is published.
    pub(super) workgroup_bytes: u32,
    /// Multiply-adds of matrices of f16 into f32.
    pub(super) matrices: u32,
}

const fn architecture(lanes: u32, workgroup_bytes: u32, matrices: u32) -> Architecture {
    Architecture { lanes, workgroup_bytes, matrices }
}

// NVIDIA's whitepapers: of an SM, 64 or 128 lanes; half of Turing's 128 bytes; tensor cores that add in f32, which
// GeForces do at half the rate of the others.
const TURING: Architecture = architecture(64, 64, 256);
// Without tensor cores.
const TURING_GTX: Architecture = architecture(64, 64, 0);
const TURING_TESLA: Architecture = architecture(64, 64, 512);
const GA100: Architecture = architecture(64, 128, 1024);
const AMPERE: Architecture = architecture(128, 128, 256);
const AMPERE_TESLA: Architecture = architecture(128, 128, 512);
const ADA: Architecture = AMPERE;
const ADA_TESLA: Architecture = AMPERE_TESLA;
// 989 TFLOPS of the datasheet at the clock of its other figures.
const HOPPER: Architecture = architecture(128, 128, 1893);
const BLACKWELL: Architecture = AMPERE;
// AMD's instruction set guides, of a compute unit: RDNA 3 and 4 issue two multiply-adds at a time.
const GCN: Architecture = architecture(64, 128, 0);
const RDNA: Architecture = architecture(64, 128, 0);
const RDNA3: Architecture = architecture(128, 128, 256);
const RDNA4: Architecture = architecture(128, 128, 512);
// Intel's Xe white papers, of an Xe core or, before, of a subslice with 16 units of 8 lanes.
const XE: Architecture = architecture(128, 128, 0);
// Apple publishes cores, of 128 lanes each; clocks as the press has them.
const APPLE: Architecture = architecture(128, 0, 0);
// Lanes as the press has them.
const ADRENO7: Architecture = architecture(256, 0, 0);

/// A board.
pub(super) struct Board {
    /// In lower case, in words that adapters' names have in this order.
    pub(super) name: &'static str,
    pub(super) architecture: &'static Architecture,
    pub(super) processors: u32,
    pub(super) megahertz: u32,
    /// Of memory, GB a second.
    pub(super) gigabytes: f64,
}

const fn board(
    name: &'static str,
    architecture: &'static Architecture,
    processors: u32,
    megahertz: u32,
    gigabytes: f64,
) -> Board {
    Board { name, architecture, processors, megahertz, gigabytes }
}

/// All of them.
pub(super) static BOARDS: [Board; 104] = [
    board("gtx 1650", &TURING_GTX, 14, 1665, 128.0),
    board("gtx 1650 super", &TURING_GTX, 20, 1725, 192.0),
    board("gtx 1660", &TURING_GTX, 22, 1785, 192.0),
    board("gtx 1660 ti", &TURING_GTX, 24, 1770, 288.0),
    board("gtx 1660 super", &TURING_GTX, 22, 1785, 336.0),
    board("rtx 2060", &TURING, 30, 1680, 336.0),
    board("rtx 2060 super", &TURING, 34, 1650, 448.0),
    board("rtx 2070", &TURING, 36, 1620, 448.0),
    board("rtx 2070 super", &TURING, 40, 1770, 448.0),
    board("rtx 2080", &TURING, 46, 1710, 448.0),
    board("rtx 2080 super", &TURING, 48, 1815, 496.0),
    board("rtx 2080 ti", &TURING, 68, 1545, 616.0),
    board("tesla t4", &TURING_TESLA, 40, 1590, 320.0),
    board("rtx 3050", &AMPERE, 20, 1777, 224.0),
    board("rtx 3060", &AMPERE, 28, 1777, 360.0),
    board("rtx 3060 ti", &AMPERE, 38, 1665, 448.0),
    board("rtx 3070", &AMPERE, 46, 1725, 448.0),
    board("rtx 3070 ti", &AMPERE, 48, 1770, 608.0),
    board("rtx 3080", &AMPERE, 68, 1710, 760.0),
    board("rtx 3080 ti", &AMPERE, 80, 1665, 912.0),
    board("rtx 3090", &AMPERE, 82, 1695, 936.0),
    board("rtx 3090 ti", &AMPERE, 84, 1860, 1008.0),
    board("rtx a4000", &AMPERE_TESLA, 48, 1560, 448.0),
    board("rtx a5000", &AMPERE_TESLA, 64, 1695, 768.0),
    board("rtx a6000", &AMPERE_TESLA, 84, 1800, 768.0),
    board("nvidia a10", &AMPERE_TESLA, 72, 1695, 600.0),
    board("nvidia a10g", &AMPERE_TESLA, 80, 1710, 600.0),
    board("nvidia a40", &AMPERE_TESLA, 84, 1740, 696.0),
    board("nvidia a100", &GA100, 108, 1410, 1555.0),
    board("a100 sxm4 80gb", &GA100, 108, 1410, 2039.0),
    board("a100 sxm 80gb", &GA100, 108, 1410, 2039.0),
    board("a100 80gb pcie", &GA100, 108, 1410, 1935.0),
    board("rtx 4060", &ADA, 24, 2460, 272.0),
    board("rtx 4060 ti", &ADA, 34, 2535, 288.0),
    board("rtx 4070", &ADA, 46, 2475, 504.0),
    board("rtx 4070 super", &ADA, 56, 2475, 504.0),
    board("rtx 4070 ti", &ADA, 60, 2610, 504.0),
    board("rtx 4070 ti super", &ADA, 66, 2610, 672.0),
    board("rtx 4080", &ADA, 76, 2505, 717.0),
    board("rtx 4080 super", &ADA, 80, 2550, 736.0),
    board("rtx 4090", &ADA, 128, 2520, 1008.0),
    board("rtx 6000 ada generation", &ADA_TESLA, 142, 2505, 960.0),
    board("nvidia l4", &ADA_TESLA, 58, 2040, 300.0),
    board("nvidia l40s", &ADA_TESLA, 142, 2520, 864.0),
    board("nvidia h100 pcie", &HOPPER, 114, 1755, 2039.0),
    board("nvidia h100 80gb hbm3", &HOPPER, 132, 1980, 3352.0),
    board("nvidia h200", &HOPPER, 132, 1980, 4800.0),
    board("nvidia gh200", &HOPPER, 132, 1980, 4000.0),
    board("rtx 5060", &BLACKWELL, 30, 2497, 448.0),
    board("rtx 5060 ti", &BLACKWELL, 36, 2572, 448.0),
    board("rtx 5070", &BLACKWELL, 48, 2512, 672.0),
    board("rtx 5070 ti", &BLACKWELL, 70, 2452, 896.0),
    board("rtx 5080", &BLACKWELL, 84, 2617, 960.0),
    board("rtx 5090", &BLACKWELL, 170, 2407, 1792.0),
    board("rx 580", &GCN, 36, 1340, 256.0),
    board("rx vega 56", &GCN, 56, 1471, 410.0),
    board("rx vega 64", &GCN, 64, 1546, 484.0),
    board("radeon vii", &GCN, 60, 1750, 1024.0),
    board("rx 5500 xt", &RDNA, 22, 1845, 224.0),
    board("rx 5600 xt", &RDNA, 36, 1560, 288.0),
    board("rx 5700", &RDNA, 36, 1725, 448.0),
    board("rx 5700 xt", &RDNA, 40, 1905, 448.0),
    board("rx 6600", &RDNA, 28, 2491, 224.0),
    board("rx 6600 xt", &RDNA, 32, 2589, 256.0),
    board("rx 6700 xt", &RDNA, 40, 2581, 384.0),
    board("rx 6750 xt", &RDNA, 40, 2600, 432.0),
    board("rx 6800", &RDNA, 60, 2105, 512.0),
    board("rx 6800 xt", &RDNA, 72, 2250, 512.0),
    board("rx 6900 xt", &RDNA, 80, 2250, 512.0),
    board("rx 6950 xt", &RDNA, 80, 2310, 576.0),
    board("amd radeon 680m", &RDNA, 12, 2400, 102.0),
    board("amd radeon 780m", &RDNA3, 12, 2700, 102.0),
    board("amd radeon 890m", &RDNA3, 16, 2900, 120.0),
    board("rx 7600", &RDNA3, 32, 2655, 288.0),
    board("rx 7700 xt", &RDNA3, 54, 2544, 432.0),
    board("rx 7800 xt", &RDNA3, 60, 2430, 624.0),
    board("rx 7900 gre", &RDNA3, 80, 2245, 576.0),
    board("rx 7900 xt", &RDNA3, 84, 2400, 800.0),
    board("rx 7900 xtx", &RDNA3, 96, 2500, 960.0),
    board("rx 9060 xt", &RDNA4, 32, 3130, 320.0),
    board("rx 9070", &RDNA4, 56, 2520, 640.0),
    board("rx 9070 xt", &RDNA4, 64, 2970, 640.0),
    board("arc tm a380 graphics", &XE, 8, 2000, 186.0),
    board("arc tm a580 graphics", &XE, 24, 1700, 512.0),
    board("arc tm a750 graphics", &XE, 28, 2050, 512.0),
    board("arc tm a770 graphics", &XE, 32, 2100, 560.0),
    board("arc tm b570 graphics", &XE, 18, 2500, 380.0),
    board("arc tm b580 graphics", &XE, 20, 2670, 456.0),
    board("apple m1", &APPLE, 8, 1278, 68.25),
    board("apple m1 pro", &APPLE, 16, 1296, 200.0),
    board("apple m1 max", &APPLE, 32, 1296, 400.0),
    board("apple m1 ultra", &APPLE, 64, 1296, 800.0),
    board("apple m2", &APPLE, 10, 1398, 100.0),
    board("apple m2 pro", &APPLE, 19, 1398, 200.0),
    board("apple m2 max", &APPLE, 38, 1398, 400.0),
    board("apple m2 ultra", &APPLE, 76, 1398, 800.0),
    board("apple m3", &APPLE, 10, 1398, 100.0),
    board("apple m3 pro", &APPLE, 18, 1398, 150.0),
    board("apple m3 max", &APPLE, 40, 1398, 400.0),
    board("apple m3 ultra", &APPLE, 80, 1398, 819.0),
    board("apple m4", &APPLE, 10, 1470, 120.0),
    board("apple m4 pro", &APPLE, 20, 1470, 273.0),
    board("apple m4 max", &APPLE, 40, 1470, 546.0),
    board("adreno tm 730", &ADRENO7, 4, 818, 51.2),
];
