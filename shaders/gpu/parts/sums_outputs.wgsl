// Sums are outputs: row r of group g is output channel g * rows + r.
//
//   Y[n, channel_offset + i, p] = epilogue(S)        Y [N, channels_total, OH, OW], residual [N, O, OH, OW]
fn store_sums(group: u32, row: u32, pixel: vec4<u32>, sums: vec4<f32>) {
    let plane = params.conv.out_height * params.conv.out_width;
    let channel = group * params.rows + row;
    let image = pixel / plane;
    let within = pixel % plane;
    let valid = pixel < vec4<u32>(params.pixels);
    let from_residual = residual_quad((image * params.conv.out_channels + channel) * plane + within, valid);
    let to = (image * params.conv.channels_total + params.conv.channel_offset + channel) * plane + within;
    store_quad(to, valid, epilogue(affine_of(channel), sums, from_residual));
}
