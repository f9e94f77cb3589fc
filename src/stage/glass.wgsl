// A picture enlarged by one of four filters, cross-blended with the one before it.
//
// Bytes in, bytes out: the camera composes in sRGB (see output.rs), so nothing here is linear light, and a
// picture at its own size keeps its bytes. The filter is chosen when the pipeline is built (glass.rs).

#import bevy_pbr::forward_io::VertexOutput

struct Look {
    // Opacity of the whole, share of the picture before, pixels of the picture to one of the window (x, y).
    look: vec4<f32>,
};

@group(#{MATERIAL_BIND_GROUP}) @binding(0) var<uniform> glass: Look;
@group(#{MATERIAL_BIND_GROUP}) @binding(1) var now: texture_2d<f32>;
@group(#{MATERIAL_BIND_GROUP}) @binding(2) var before: texture_2d<f32>;

fn texel(at: vec2<i32>, last: vec2<i32>) -> vec3<f32> {
    let p = clamp(at, vec2<i32>(0), last);
    let colour = textureLoad(now, p, 0).rgb;
#ifdef BLEND
    return mix(colour, textureLoad(before, p, 0).rgb, glass.look.y);
#else
    return colour;
#endif
}

#ifdef CUBIC
// Catmull-Rom: passes through the pixels, and a constant stays constant.
fn weights(f: f32) -> array<f32, 4> {
    let g = 1.0 - f;
    return array<f32, 4>(
        f * g * (-0.5 * g),
        1.0 + f * f * (1.5 * f - 2.5),
        1.0 + g * g * (1.5 * g - 2.5),
        g * f * (-0.5 * f),
    );
}
const TAPS: i32 = 4;
const FIRST: i32 = -1;
#endif

#ifdef LANCZOS
// sinc(x) sinc(x / 3), made to sum to 1: cut off, it does not by itself.
fn lobe(x: f32) -> f32 {
    if abs(x) < 1e-4 {
        return 1.0;
    }
    let a = 3.14159265 * x;
    return 3.0 * sin(a) * sin(a / 3.0) / (a * a);
}
fn weights(f: f32) -> array<f32, 6> {
    var w = array<f32, 6>(lobe(f + 2.0), lobe(f + 1.0), lobe(f), lobe(1.0 - f), lobe(2.0 - f), lobe(3.0 - f));
    let sum = w[0] + w[1] + w[2] + w[3] + w[4] + w[5];
    return array<f32, 6>(w[0] / sum, w[1] / sum, w[2] / sum, w[3] / sum, w[4] / sum, w[5] / sum);
}
const TAPS: i32 = 6;
const FIRST: i32 = -2;
#endif

fn looked(uv: vec2<f32>) -> vec3<f32> {
    let size = vec2<i32>(textureDimensions(now));
    let last = size - vec2<i32>(1);
    let point = uv * vec2<f32>(size);
#ifdef NEAREST
    return texel(vec2<i32>(floor(point)), last);
#else
    let centred = point - vec2<f32>(0.5);
    let base = vec2<i32>(floor(centred));
    let f = centred - floor(centred);
#ifdef LINEAR
    let top = mix(texel(base, last), texel(base + vec2<i32>(1, 0), last), f.x);
    let bottom = mix(texel(base + vec2<i32>(0, 1), last), texel(base + vec2<i32>(1, 1), last), f.x);
    return mix(top, bottom, f.y);
#else
#ifdef SHRINK
    // Smaller than it is: a tent as wide as a pixel of the window on each side, at most 16 pixels across.
    let reach = clamp(glass.look.zw, vec2<f32>(1.0), vec2<f32>(8.0));
    var sum = vec3<f32>(0.0);
    var total = 0.0;
    let low = vec2<i32>(ceil(centred - reach));
    let high = vec2<i32>(floor(centred + reach));
    for (var y = low.y; y <= high.y; y++) {
        let wy = 1.0 - abs(f32(y) - centred.y) / reach.y;
        for (var x = low.x; x <= high.x; x++) {
            let w = wy * (1.0 - abs(f32(x) - centred.x) / reach.x);
            sum += w * texel(vec2<i32>(x, y), last);
            total += w;
        }
    }
    return sum / max(total, 1e-6);
#else
    var wx = weights(f.x);
    var wy = weights(f.y);
    var sum = vec3<f32>(0.0);
    for (var y = 0; y < TAPS; y++) {
        var row = vec3<f32>(0.0);
        for (var x = 0; x < TAPS; x++) {
            row += wx[x] * texel(base + vec2<i32>(x + FIRST, y + FIRST), last);
        }
        sum += wy[y] * row;
    }
    return clamp(sum, vec3<f32>(0.0), vec3<f32>(1.0));
#endif
#endif
#endif
}

@fragment
fn fragment(mesh: VertexOutput) -> @location(0) vec4<f32> {
    return vec4<f32>(looked(mesh.uv), glass.look.x);
}
