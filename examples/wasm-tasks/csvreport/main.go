// Command csvreport is a task that sums up a table of sales: a report that a
// web request should not wait for. Two things to see here: it logs how far it
// has come, and what is wrong with a file is said with the line it is on. Money
// is counted in whole cents, so the sums are exact.
package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	guest "github.com/taskhost/taskhost/guest-sdk"
)

// progressRows is how many rows lie between two lines of progress.
const progressRows = 2500

func init() {
	guest.Handle("reports.sales", report, guest.Options{
		Description: "Sums up sales by region and by product.",
	})
}

func main() {}

type reportArgs struct {
	// CSV is a table with the columns date, region, product, units and price.
	CSV string `json:"csv"`
}

// sales is the report, in the order of the names.
type sales struct {
	Rows     int     `json:"rows"`
	Regions  []total `json:"regions"`
	Products []total `json:"products"`
}

// total is what one region or product sold.
type total struct {
	Name         string `json:"name"`
	Units        int64  `json:"units"`
	RevenueCents int64  `json:"revenue_cents"`
}

func report(ctx guest.Context, in reportArgs) (sales, error) {
	table := csv.NewReader(strings.NewReader(in.CSV))
	table.ReuseRecord = true
	if err := readColumns(table); err != nil {
		return sales{}, guest.Permanent(err)
	}
	rows, regions, products := 0, totals{}, totals{}
	for {
		sale, err := readSale(table)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return sales{}, guest.Permanent(err)
		}
		regions.add(sale.region, sale)
		products.add(sale.product, sale)
		if rows++; rows%progressRows == 0 {
			ctx.Info("reading", "rows", rows)
		}
	}
	ctx.Info("read", "rows", rows, "regions", len(regions), "products", len(products))
	return sales{rows, regions.sorted(), products.sorted()}, nil
}

// totals holds sums by name.
type totals map[string]*total

func (t totals) add(name string, s sale) {
	sum := t[name]
	if sum == nil {
		sum = &total{Name: strings.Clone(name)} // the reader reuses a row's memory
		t[sum.Name] = sum
	}
	sum.Units += s.units
	sum.RevenueCents += s.units * s.cents
}

func (t totals) sorted() []total {
	list := make([]total, 0, len(t))
	for _, sum := range t {
		list = append(list, *sum)
	}
	slices.SortFunc(list, func(a, b total) int { return strings.Compare(a.Name, b.Name) })
	return list
}

var columns = []string{"date", "region", "product", "units", "price"}

func readColumns(table *csv.Reader) error {
	row, err := table.Read()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the table is empty: its first line must be %s", strings.Join(columns, ","))
	}
	if err != nil {
		return fmt.Errorf("the table cannot be read: %w", err)
	}
	if !slices.Equal(row, columns) {
		return fmt.Errorf("line 1 is %q, must be %s", strings.Join(row, ","), strings.Join(columns, ","))
	}
	return nil
}
