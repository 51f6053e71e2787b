package main

import (
	"bytes"
	"image"
	"image/jpeg"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/examples/inputs"
	"github.com/taskhost/taskhost/guest-sdk/guesttest"
)

func TestThumbnail(t *testing.T) {
	t.Parallel()
	photo := inputs.Photo(1, 900, 600)
	result := guesttest.Run("thumbs.resize", resizeArgs{photo, 120}, guesttest.Task{})
	var got thumbnail
	require.NoError(t, result.Decode(&got))
	require.Equal(t, 120, got.Width)
	require.Equal(t, 80, got.Height)
	require.Less(t, len(got.Image), len(photo)/5)
	require.Equal(t, []guesttest.Line{{Level: "info", Message: "resized", Fields: map[string]any{
		"from_width": 900.0, "from_height": 600.0, "from_bytes": float64(len(photo)),
		"width": 120.0, "height": 80.0, "bytes": float64(len(got.Image)),
	}}}, result.Logs)

	small, large := open(t, got.Image), open(t, photo)
	require.Equal(t, image.Rect(0, 0, 120, 80), small.Bounds())
	// It is the same picture: a quarter of it has the same colour in both.
	for _, quarter := range []image.Point{{0, 0}, {1, 0}, {0, 1}, {1, 1}} {
		before, after := average(large, quarter), average(small, quarter)
		for part := range before {
			require.InDelta(t, before[part], after[part], 4, "of 255")
		}
	}
}

func TestThumbnailSizes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ w, h, ask, width, height int }{
		"not enlarged": {40, 30, 1024, 40, 30},
		"tall":         {30, 200, 16, 16, 107},
		"very wide":    {900, 3, 16, 16, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got thumbnail
			require.NoError(t, guesttest.Run("thumbs.resize", resizeArgs{inputs.Photo(2, test.w, test.h), test.ask}, guesttest.Task{}).Decode(&got))
			require.Equal(t, image.Rect(0, 0, test.width, test.height), open(t, got.Image).Bounds())
			require.Equal(t, []int{test.width, test.height}, []int{got.Width, got.Height})
		})
	}
}

func TestBrokenImageFailsForGood(t *testing.T) {
	t.Parallel()
	photo := inputs.Photo(3, 64, 64)
	huge := bytes.Clone(photo)
	start := bytes.Index(huge, []byte{0xff, 0xc0}) // the frame header: its height and width are 5 bytes on
	copy(huge[start+5:], []byte{0xff, 0xff, 0xff, 0xff})
	for name, test := range map[string]struct {
		image   []byte
		message string
	}{
		"text":    {[]byte("GIF89a"), "the image is not a JPEG that can be read: "},
		"nothing": {[]byte{}, "the image is not a JPEG that can be read: "},
		"half":    {photo[:len(photo)/2], "the image is not a JPEG that can be read: "},
		"huge":    {huge, "the image has 65535 by 65535 pixels, at most 8388608 in all are read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result := guesttest.Run("thumbs.resize", resizeArgs{test.image, 100}, guesttest.Task{})
			require.True(t, result.Failed)
			require.Equal(t, guesttest.Permanent, result.Kind)
			require.Contains(t, result.Message, test.message)
			require.Empty(t, result.Trace)
		})
	}
}

func TestBoundsAreDeclared(t *testing.T) {
	t.Parallel()
	definition := guesttest.Manifest().Definitions[0]
	require.JSONEq(t, `{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"type": "object",
		"properties": {
			"image": {"type": "string", "minLength": 1, "contentEncoding": "base64"},
			"width": {"type": "integer", "minimum": 16, "maximum": 1024}
		},
		"required": ["image", "width"],
		"additionalProperties": false
	}`, string(definition.Args))
	require.EqualValues(t, 512<<20, definition.Options.MemoryBytes)
}

func open(t *testing.T, file []byte) image.Image {
	t.Helper()
	picture, err := jpeg.Decode(bytes.NewReader(file))
	require.NoError(t, err)
	return picture
}

// average returns the colour of a quarter of a picture, each part from 0 to 255.
func average(picture image.Image, quarter image.Point) (sum [3]float64) {
	w, h := picture.Bounds().Dx()/2, picture.Bounds().Dy()/2
	for x := range w {
		for y := range h {
			r, g, b, _ := picture.At(quarter.X*w+x, quarter.Y*h+y).RGBA()
			for part, value := range []uint32{r, g, b} {
				sum[part] += float64(value>>8) / float64(w*h)
			}
		}
	}
	return sum
}
