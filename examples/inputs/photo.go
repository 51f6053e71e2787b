package inputs

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
)

// maxSide is the longest side that a JPEG can have.
const maxSide = 1<<16 - 1

// photoQuality is what cameras use, about.
const photoQuality = 88

// Photo returns a photo-like JPEG of w by h pixels: mountains behind a lake,
// under a sky that the seed chooses, with gradients and with detail down to the
// pixel. 1200 by 800 is about 120 KB. The bytes are the same for the same
// arguments, as long as the Go release and the processor are. It panics unless
// both sides are from 1 to 65,535.
func Photo(seed int64, w, h int) []byte {
	if w < 1 || h < 1 || w > maxSide || h > maxSide {
		panic(fmt.Sprintf("inputs: a photo of %d by %d pixels: both must be from 1 to %d", w, h, maxSide))
	}
	scene := newScene(generator(seed, 1), float64(w)/float64(h))
	picture := image.NewRGBA(image.Rect(0, 0, w, h))
	for x := range w {
		scene.enter(float64(x) / float64(h))
		for y := range h {
			picture.SetRGBA(x, y, scene.colour(float64(y)/float64(h)).rgba())
		}
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, picture, &jpeg.Options{Quality: photoQuality}); err != nil {
		panic(fmt.Errorf("inputs: encode a photo: %w", err)) // no writer that could fail, no size that is too large
	}
	return file.Bytes()
}

// tint is a colour, each part from 0 to 1.
type tint struct{ r, g, b float64 }

func (t tint) mix(other tint, share float64) tint {
	return tint{mix(t.r, other.r, share), mix(t.g, other.g, share), mix(t.b, other.b, share)}
}

func (t tint) scale(by float64) tint { return tint{t.r * by, t.g * by, t.b * by} }

func (t tint) rgba() color.RGBA {
	part := func(x float64) uint8 { return uint8(clamp(x)*255 + 0.5) }
	return color.RGBA{part(t.r), part(t.g), part(t.b), 255}
}

// palettes are times of the day: high sky, horizon, near ground.
var palettes = [][3]tint{
	{{0.16, 0.36, 0.71}, {0.80, 0.88, 0.95}, {0.09, 0.17, 0.10}}, // noon
	{{0.17, 0.16, 0.36}, {0.98, 0.67, 0.42}, {0.10, 0.07, 0.10}}, // sunset
	{{0.36, 0.48, 0.66}, {0.98, 0.86, 0.80}, {0.10, 0.13, 0.15}}, // morning
	{{0.30, 0.34, 0.40}, {0.74, 0.77, 0.80}, {0.07, 0.09, 0.10}}, // before rain
}

// shore is where the lake begins, as a share of the height.
const shore = 0.72

// ridges is how many ranges of mountains stand behind each other.
const ridges = 4

// scene is a landscape. Its unit is the height of the picture, from the top
// left corner.
type scene struct {
	sky, horizon, ground tint
	sunX, sunY           float64
	relief, clouds, bark noise
	// crest is how high each ridge reaches in the column that was entered.
	crest [ridges]float64
	x     float64
}

func newScene(random *rand.Rand, width float64) *scene {
	palette := palettes[random.IntN(len(palettes))]
	return &scene{
		sky: palette[0], horizon: palette[1], ground: palette[2],
		sunX: width * mix(0.15, 0.85, random.Float64()), sunY: mix(0.15, 0.4, random.Float64()),
		relief: noise(random.Uint64()), clouds: noise(random.Uint64()), bark: noise(random.Uint64()),
	}
}

// enter moves to the column at x: colour is asked column by column.
func (s *scene) enter(x float64) {
	s.x = x
	for i := range s.crest {
		near := float64(i) / ridges
		height := (s.relief + noise(100*i)).rough(x*mix(2.2, 1.2, near), near, 9)
		s.crest[i] = mix(0.34, 0.62, near) - (height-0.5)*mix(0.42, 0.26, near)
	}
}

// colour returns what is seen at y in the column.
func (s *scene) colour(y float64) tint {
	if y < shore {
		return s.land(y)
	}
	// The lake mirrors the land, in ripples that are longer the nearer they are.
	near := (y - shore) / (1 - shore)
	ripple := s.bark.rough(s.x*mix(30, 8, near), y*mix(500, 120, near), 3) - 0.5
	mirrored := shore - (y-shore)*1.4 + ripple*mix(0.02, 0.12, near)
	return s.land(clamp(mirrored)).mix(s.sky, 0.18+0.2*near).scale(0.86 - 0.2*near + 0.16*ripple)
}

// land returns the nearest ridge that reaches up to y, or the sky.
func (s *scene) land(y float64) tint {
	for i := ridges - 1; i >= 0; i-- {
		if y < s.crest[i] {
			continue
		}
		near := float64(i+1) / ridges
		bark := s.bark.rough(s.x*mix(40, 110, near), y*mix(40, 110, near), 5)
		lit := 0.75 + 0.9*(bark-0.5) - 0.35*clamp((y-s.crest[i])*4)
		rock := s.horizon.mix(s.ground, 0.25+0.75*near)
		if i == 0 && bark > 0.45+(y-s.crest[i])*3 {
			rock = rock.mix(tint{0.97, 0.97, 1}, 0.6) // snow, high up
		}
		return rock.scale(0.55 + 0.75*lit)
	}
	return s.skyAt(y)
}

func (s *scene) skyAt(y float64) tint {
	air := s.sky.mix(s.horizon, clamp(y/0.62))
	cloud := s.clouds.rough(s.x*1.6, y*5, 7)
	air = air.mix(tint{1, 0.98, 0.96}, 0.75*clamp((cloud-0.52)*4))
	dx, dy := s.x-s.sunX, y-s.sunY
	distance := dx*dx + dy*dy
	glow := 0.004 / (0.004 + distance)
	return air.mix(tint{1, 0.95, 0.82}, clamp(0.85*glow+clamp((0.0016-distance)*4000)))
}
