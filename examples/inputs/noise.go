package inputs

// noise is smooth randomness over the plane: random heights on a grid of whole
// numbers, and curves between them. The value is what the heights are hashed
// with.
type noise uint64

// at returns the height at a point, from 0 to 1.
func (n noise) at(x, y float64) float64 {
	left, top := floor(x), floor(y)
	u, v := smooth(x-left), smooth(y-top)
	i, j := int64(left), int64(top)
	return mix(
		mix(n.corner(i, j), n.corner(i+1, j), u),
		mix(n.corner(i, j+1), n.corner(i+1, j+1), u),
		v,
	)
}

// rough returns noise with detail at every scale, from 0 to 1: each octave is
// twice as fine as the one before it, and half as high.
func (n noise) rough(x, y float64, octaves int) float64 {
	sum, height, total := 0.0, 1.0, 0.0
	for octave := range octaves {
		sum += height * (n+noise(octave)).at(x, y)
		total += height
		x, y, height = x*2, y*2, height/2
	}
	return sum / total
}

// corner returns the height at a point of the grid.
func (n noise) corner(i, j int64) float64 {
	h := uint64(n)*0x9e3779b97f4a7c15 ^ uint64(i)*0xbf58476d1ce4e5b9 ^ uint64(j)*0x94d049bb133111eb
	h ^= h >> 31
	h *= 0xd6e8feb86659fd93
	h ^= h >> 32
	return float64(h>>11) / (1 << 53)
}

func floor(x float64) float64 {
	whole := float64(int64(x))
	if whole > x {
		whole--
	}
	return whole
}

// smooth bends 0 to 1 so that it leaves and arrives level.
func smooth(t float64) float64 { return t * t * (3 - 2*t) }

// mix goes from a to b as t goes from 0 to 1.
func mix(a, b, t float64) float64 { return a + (b-a)*t }

// clamp keeps x between 0 and 1.
func clamp(x float64) float64 { return max(0, min(x, 1)) }
