// Command thumbnail is a task that makes a small picture of a large one: work
// that takes processor time and memory, on bytes from strangers. Two things to
// see here: the bounds of the arguments stand in the type that they are read
// into, and a picture that is broken fails the task for good, since no retry
// would mend it.
package main

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"time"

	"golang.org/x/image/draw"

	guest "github.com/taskhost/taskhost/guest-sdk"
)

const (
	// maxPixels bounds what is decoded: a small file can claim to be a
	// picture that needs gigabytes.
	maxPixels = 8 << 20
	// quality is of the JPEG that is made, from 1 to 100.
	quality = 85
)

func init() {
	guest.Handle("thumbs.resize", resize, guest.Options{
		Description: "Scales a JPEG down to a width.",
		Retries:     2,
		Delay:       time.Second,
		MemoryBytes: 512 << 20,
	})
}

func main() {}

// resizeArgs are the arguments. The host refuses those that do not satisfy the
// tags, before there is a task.
type resizeArgs struct {
	// Image is a JPEG. In JSON it is base64.
	Image []byte `json:"image" schema:"minLength=1"`
	// Width is of the thumbnail, in pixels.
	Width int `json:"width" schema:"minimum=16,maximum=1024"`
}

type thumbnail struct {
	// Image is a JPEG. In JSON it is base64.
	Image  []byte `json:"image"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

// resize keeps the proportions and never enlarges.
func resize(ctx guest.Context, in resizeArgs) (thumbnail, error) {
	picture, err := decode(in.Image)
	if err != nil {
		return thumbnail{}, guest.Permanent(err)
	}
	from := picture.Bounds()
	width := min(in.Width, from.Dx())
	height := max(1, (from.Dy()*width+from.Dx()/2)/from.Dx())

	small := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.CatmullRom.Scale(small, small.Bounds(), picture, from, draw.Src, nil)
	var file bytes.Buffer
	if err := jpeg.Encode(&file, small, &jpeg.Options{Quality: quality}); err != nil {
		return thumbnail{}, fmt.Errorf("encode the thumbnail: %w", err)
	}
	ctx.Info("resized",
		"from_width", from.Dx(), "from_height", from.Dy(), "from_bytes", len(in.Image),
		"width", width, "height", height, "bytes", file.Len())
	return thumbnail{file.Bytes(), width, height}, nil
}

// decode looks at the size before it makes room for the picture.
func decode(file []byte) (image.Image, error) {
	size, err := jpeg.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return nil, fmt.Errorf("the image is not a JPEG that can be read: %w", err)
	}
	if size.Width*size.Height > maxPixels {
		return nil, fmt.Errorf("the image has %d by %d pixels, at most %d in all are read", size.Width, size.Height, maxPixels)
	}
	picture, err := jpeg.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, fmt.Errorf("the image is not a JPEG that can be read: %w", err)
	}
	return picture, nil
}
