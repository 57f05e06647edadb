// The numbers of an activation that has some.
struct Numbers {
    slope: f32,
    offset: f32,
    low: f32,
    high: f32,
}

