package inputs_test

import (
	"bytes"
	"encoding/csv"
	"image/jpeg"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/examples/inputs"
)

func TestPhoto(t *testing.T) {
	t.Parallel()
	photo := inputs.Photo(1, 300, 200)
	require.Equal(t, photo, inputs.Photo(1, 300, 200), "a seed says everything")
	require.NotEqual(t, photo, inputs.Photo(2, 300, 200))

	picture, err := jpeg.Decode(bytes.NewReader(photo))
	require.NoError(t, err)
	require.Equal(t, 300, picture.Bounds().Dx())
	require.Equal(t, 200, picture.Bounds().Dy())

	// Detail is what makes it a photograph: a picture of flat areas would be a
	// few hundred bytes.
	require.Greater(t, len(photo), 5_000)
	colours := map[[3]uint32]bool{}
	for x := range 300 {
		for y := range 200 {
			r, g, b, _ := picture.At(x, y).RGBA()
			colours[[3]uint32{r, g, b}] = true
		}
	}
	require.Greater(t, len(colours), 5_000)
}

func TestPhotoSizes(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{1, 1}, {1, 40}, {640, 3}} {
		config, err := jpeg.DecodeConfig(bytes.NewReader(inputs.Photo(-7, size[0], size[1])))
		require.NoError(t, err)
		require.Equal(t, size[0], config.Width)
		require.Equal(t, size[1], config.Height)
	}
	for _, size := range [][2]int{{0, 1}, {1, 0}, {-1, 1}, {65536, 1}} {
		require.Panics(t, func() { inputs.Photo(1, size[0], size[1]) })
	}
}

func TestSales(t *testing.T) {
	t.Parallel()
	sales := inputs.Sales(1, 1000)
	require.Equal(t, sales, inputs.Sales(1, 1000), "a seed says everything")
	require.NotEqual(t, sales, inputs.Sales(2, 1000))

	rows, err := csv.NewReader(bytes.NewReader(sales)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 1001)
	require.Equal(t, inputs.SalesColumns, strings.Join(rows[0], ","))
	for i, row := range rows[1:] {
		require.Regexp(t, `^2025-\d\d-\d\d$`, row[0])
		require.Regexp(t, `^[1-9]\d?$`, row[3])
		require.Regexp(t, `^\d+\.\d\d$`, row[4])
		if i > 0 {
			require.LessOrEqual(t, rows[i][0], row[0], "in order of the date")
		}
	}

	for _, none := range []int{0, -1} {
		require.Equal(t, inputs.SalesColumns+"\n", string(inputs.Sales(1, none)))
	}
}
