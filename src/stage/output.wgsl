// Everything in the output window is a quad: a picture enlarged by one of four filters and cross-blended with the one
// before it, or a mark, whose shape is worked out pixel by pixel.
//
// Bytes in, bytes out: the camera composes in sRGB (see output.rs), so nothing here is linear light, and a picture at
// its own size keeps its bytes. Quads lie in the pixels of the frame; each copy of the frame is a panel.

struct Panel {
    // Pixels of the window; left and top of this copy of the frame in it.
    window: vec2<f32>,
    origin: vec2<f32>,
    // Pixels of the frame; 1 where it is mirrored from side to side, and upside down.
    frame: vec2<f32>,
    flip: vec2<f32>,
};

@group(0) @binding(0) var<uniform> panel: Panel;
@group(0) @binding(1) var atlas: texture_2d<f32>;
@group(0) @binding(2) var atlas_sampler: sampler;
@group(1) @binding(0) var now: texture_2d<f32>;
@group(1) @binding(1) var before: texture_2d<f32>;

// Whether the picture before shows through: chosen when the pipeline is built.
override BLEND: bool = false;

struct Quad {
    // Left, top, right and bottom in pixels of the frame.
    @location(0) edges: vec4<f32>,
    // What they mean depends on what is drawn (quads.rs).
    @location(1) params: vec4<f32>,
    @location(2) colour: vec4<f32>,
    @location(3) kind: vec4<f32>,
};

struct Corner {
    @builtin(position) clip: vec4<f32>,
    @location(0) at: vec2<f32>,
    @location(1) @interpolate(flat) edges: vec4<f32>,
    @location(2) @interpolate(flat) params: vec4<f32>,
    @location(3) @interpolate(flat) colour: vec4<f32>,
    @location(4) @interpolate(flat) kind: vec4<f32>,
};

// A line's quad lies along it: upright ones would cover the whole frame for a line from corner to corner.
fn line_corner(quad: Quad, share: vec2<f32>) -> vec2<f32> {
    let far = quad.kind.y + 1.0;
    let way = quad.params.zw - quad.params.xy;
    let long = length(way);
    let along = select(vec2<f32>(1.0, 0.0), way / max(long, 1e-6), long > 1e-6);
    let across = vec2<f32>(-along.y, along.x) * far;
    return mix(quad.params.xy - along * far, quad.params.zw + along * far, share.x) + across * (share.y * 2.0 - 1.0);
}

@vertex
fn corner(@builtin(vertex_index) index: u32, quad: Quad) -> Corner {
    let share = vec2<f32>(f32(index & 1u), f32(index >> 1u));
    var at = mix(quad.edges.xy, quad.edges.zw, share);
    if quad.kind.x == 2.0 {
        at = line_corner(quad, share);
    }
    let turned = mix(at, panel.frame - at, panel.flip);
    let place = (panel.origin + turned) / panel.window * 2.0 - 1.0;
    return Corner(vec4<f32>(place.x, -place.y, 0.0, 1.0), at, quad.edges, quad.params, quad.colour, quad.kind);
}

// Pictures: params are the opacity, the share of the picture before, and pixels of the picture to one of the window.

fn texel(at: vec2<i32>, last: vec2<i32>) -> vec3<f32> {
    let p = clamp(at, vec2<i32>(0), last);
    let colour = textureLoad(now, p, 0).rgb;
    return colour;
}

fn texel_before(at: vec2<i32>, last: vec2<i32>) -> vec3<f32> {
    return textureLoad(before, clamp(at, vec2<i32>(0), last), 0).rgb;
}

fn seen(at: vec2<i32>, last: vec2<i32>, share: f32) -> vec3<f32> {
    if BLEND {
        return mix(texel(at, last), texel_before(at, last), share);
    }
    return texel(at, last);
}

// The place in pixels of the picture.
fn point(in: Corner) -> vec2<f32> {
    return (in.at - in.edges.xy) / (in.edges.zw - in.edges.xy) * vec2<f32>(textureDimensions(now));
}

fn last_pixel() -> vec2<i32> {
    return vec2<i32>(textureDimensions(now)) - vec2<i32>(1);
}

@fragment
fn nearest(in: Corner) -> @location(0) vec4<f32> {
    return vec4<f32>(seen(vec2<i32>(floor(point(in))), last_pixel(), in.params.y), in.params.x);
}

@fragment
fn linear(in: Corner) -> @location(0) vec4<f32> {
    let centred = point(in) - vec2<f32>(0.5);
    let base = vec2<i32>(floor(centred));
    let f = centred - floor(centred);
    let last = last_pixel();
    let share = in.params.y;
    let top = mix(seen(base, last, share), seen(base + vec2<i32>(1, 0), last, share), f.x);
    let bottom = mix(seen(base + vec2<i32>(0, 1), last, share), seen(base + vec2<i32>(1, 1), last, share), f.x);
    return vec4<f32>(mix(top, bottom, f.y), in.params.x);
}

// Smaller than it is: a tent as wide as a pixel of the window on each side, at most 16 pixels across.
@fragment
fn shrink(in: Corner) -> @location(0) vec4<f32> {
    let centred = point(in) - vec2<f32>(0.5);
    let last = last_pixel();
    let reach = clamp(in.params.zw, vec2<f32>(1.0), vec2<f32>(8.0));
    var sum = vec3<f32>(0.0);
    var total = 0.0;
    let low = vec2<i32>(ceil(centred - reach));
    let high = vec2<i32>(floor(centred + reach));
    for (var y = low.y; y <= high.y; y++) {
        let wy = 1.0 - abs(f32(y) - centred.y) / reach.y;
        for (var x = low.x; x <= high.x; x++) {
            let w = wy * (1.0 - abs(f32(x) - centred.x) / reach.x);
            sum += w * seen(vec2<i32>(x, y), last, in.params.y);
            total += w;
        }
    }
    return vec4<f32>(sum / max(total, 1e-6), in.params.x);
}

// Catmull-Rom: passes through the pixels, and a constant stays constant.
fn catmull_rom(f: f32) -> array<f32, 4> {
    let g = 1.0 - f;
    return array<f32, 4>(
        f * g * (-0.5 * g),
        1.0 + f * f * (1.5 * f - 2.5),
        1.0 + g * g * (1.5 * g - 2.5),
        g * f * (-0.5 * f),
    );
}

@fragment
fn cubic(in: Corner) -> @location(0) vec4<f32> {
    let centred = point(in) - vec2<f32>(0.5);
    let base = vec2<i32>(floor(centred));
    let f = centred - floor(centred);
    let last = last_pixel();
    var wx = catmull_rom(f.x);
    var wy = catmull_rom(f.y);
    var sum = vec3<f32>(0.0);
    for (var y = 0; y < 4; y++) {
        var row = vec3<f32>(0.0);
        for (var x = 0; x < 4; x++) {
            row += wx[x] * seen(base + vec2<i32>(x - 1, y - 1), last, in.params.y);
        }
        sum += wy[y] * row;
    }
    return vec4<f32>(clamp(sum, vec3<f32>(0.0), vec3<f32>(1.0)), in.params.x);
}

// sinc(x) sinc(x / 3).
fn lobe(x: f32) -> f32 {
    if abs(x) < 1e-4 {
        return 1.0;
    }
    let a = 3.14159265 * x;
    return 3.0 * sin(a) * sin(a / 3.0) / (a * a);
}

// Made to sum to 1: cut off, they do not by themselves.
fn lobes(f: f32) -> array<f32, 6> {
    var w = array<f32, 6>(lobe(f + 2.0), lobe(f + 1.0), lobe(f), lobe(1.0 - f), lobe(2.0 - f), lobe(3.0 - f));
    let sum = w[0] + w[1] + w[2] + w[3] + w[4] + w[5];
    return array<f32, 6>(w[0] / sum, w[1] / sum, w[2] / sum, w[3] / sum, w[4] / sum, w[5] / sum);
}

@fragment
fn lanczos(in: Corner) -> @location(0) vec4<f32> {
    let centred = point(in) - vec2<f32>(0.5);
    let base = vec2<i32>(floor(centred));
    let f = centred - floor(centred);
    let last = last_pixel();
    var wx = lobes(f.x);
    var wy = lobes(f.y);
    var sum = vec3<f32>(0.0);
    for (var y = 0; y < 6; y++) {
        var row = vec3<f32>(0.0);
        for (var x = 0; x < 6; x++) {
            row += wx[x] * seen(base + vec2<i32>(x - 2, y - 2), last, in.params.y);
        }
        sum += wy[y] * row;
    }
    return vec4<f32>(clamp(sum, vec3<f32>(0.0), vec3<f32>(1.0)), in.params.x);
}

// Marks: how much of a pixel, whose middle is `at`, a shape covers.

// A rectangle from `low` to `high`.
fn box_cover(at: vec2<f32>, low: vec2<f32>, high: vec2<f32>) -> f32 {
    let inside = clamp(min(at + 0.5, high) - max(at - 0.5, low), vec2<f32>(0.0), vec2<f32>(1.0));
    return inside.x * inside.y;
}

// A line with round ends, `half` pixels to each side.
fn line_cover(at: vec2<f32>, from_: vec2<f32>, to_: vec2<f32>, half: f32) -> f32 {
    let along = to_ - from_;
    let share = clamp(dot(at - from_, along) / max(dot(along, along), 1e-9), 0.0, 1.0);
    return clamp(half + 0.5 - distance(at, from_ + along * share), 0.0, 1.0);
}

// Distance to the edge of an ellipse with these half axes, below 0 inside. The nearest point of the edge is found by
// going to the centre of its curvature and back, a few times.
fn ellipse_distance(at: vec2<f32>, axes: vec2<f32>) -> f32 {
    let p = abs(at);
    let squares = axes * axes;
    var t = vec2<f32>(0.70710678);
    for (var i = 0; i < 4; i++) {
        let centre = vec2<f32>(squares.x - squares.y, squares.y - squares.x) * t * t * t / axes;
        let radius = length(axes * t - centre);
        let away = p - centre;
        let next = (away * radius / max(length(away), 1e-6) + centre) / axes;
        t = clamp(next, vec2<f32>(0.0), vec2<f32>(1.0));
        t = t / max(length(t), 1e-6);
    }
    let edge = axes * t;
    let inside = dot(p / axes, p / axes) < 1.0;
    return select(1.0, -1.0, inside) * distance(p, edge);
}

// Edges on whole pixels, one colour.
@fragment
fn solid(in: Corner) -> @location(0) vec4<f32> {
    return in.colour;
}

// A letter, from the atlas.
@fragment
fn letter(in: Corner) -> @location(0) vec4<f32> {
    let share = (in.at - in.edges.xy) / (in.edges.zw - in.edges.xy);
    let place = mix(in.params.xy, in.params.zw, share) / vec2<f32>(textureDimensions(atlas));
    return vec4<f32>(in.colour.rgb, in.colour.a * textureSampleLevel(atlas, atlas_sampler, place, 0.0).r);
}

// kind: which shape, half the width of its line (0: filled).
@fragment
fn shape(in: Corner) -> @location(0) vec4<f32> {
    let half = in.kind.y;
    var cover = 0.0;
    switch i32(in.kind.x) {
        case 0: {
            cover = box_cover(in.at, in.params.xy, in.params.zw);
        }
        case 1: {
            let outer = box_cover(in.at, in.params.xy - half, in.params.zw + half);
            let inner = box_cover(in.at, in.params.xy + half, in.params.zw - half);
            cover = max(outer - inner, 0.0);
        }
        case 2: {
            cover = line_cover(in.at, in.params.xy, in.params.zw, half);
        }
        default: {
            let away = ellipse_distance(in.at - in.params.xy, in.params.zw);
            if half > 0.0 {
                cover = clamp(half + 0.5 - abs(away), 0.0, 1.0);
            } else {
                cover = clamp(0.5 - away, 0.0, 1.0);
            }
        }
    }
    return vec4<f32>(in.colour.rgb, in.colour.a * cover);
}
