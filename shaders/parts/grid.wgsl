// Grids larger than 65,535 workgroups a dimension are folded into y; this unfolds them.
fn linear_workgroup(workgroup: vec3<u32>, grid: vec3<u32>) -> u32 {
    return workgroup.y * grid.x + workgroup.x;
}
