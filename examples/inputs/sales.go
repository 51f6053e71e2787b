package inputs

import (
	"fmt"
	"strings"
	"time"
)

// SalesColumns is the first line of what [Sales] returns.
const SalesColumns = "date,region,product,units,price"

// maxUnits is the most that one row sells.
const maxUnits = 40

var (
	regions  = []string{"central", "east", "north", "south", "west"}
	products = []struct {
		name  string
		cents int
	}{
		{"anorak", 12990},
		{"compass", 2450},
		{"flask", 1895},
		{"headlamp", 3999},
		{"map", 990},
		{"rope", 5425},
		{"stove", 7900},
		{"tent", 24900},
	}
)

// Sales returns a CSV file of that many rows of sales, after a line of column
// names: a date, a region, a product, the units sold and the price of one in
// money with two decimals. Rows are in order of their date, in the year 2025.
// A row has about 32 bytes. The bytes are the same for the same arguments. No
// rows, or fewer, gives the column names alone.
func Sales(seed int64, rows int) []byte {
	random := generator(seed, 2)
	var file strings.Builder
	file.WriteString(SalesColumns + "\n")
	newYear := time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)
	for row := range rows {
		day := newYear.AddDate(0, 0, row*365/rows)
		region := regions[random.IntN(len(regions))]
		product := products[random.IntN(len(products))]
		cents := product.cents * (80 + random.IntN(31)) / 100 // from a fifth off to a tenth more
		fmt.Fprintf(&file, "%s,%s,%s,%d,%d.%02d\n",
			day.Format(time.DateOnly), region, product.name, 1+random.IntN(maxUnits), cents/100, cents%100)
	}
	return []byte(file.String())
}
