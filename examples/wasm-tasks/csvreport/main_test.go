package main

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/examples/inputs"
	"github.com/taskhost/taskhost/guest-sdk/guesttest"
)

const header = inputs.SalesColumns + "\n"

func TestReport(t *testing.T) {
	t.Parallel()
	csv := header +
		"2025-01-01,north,rope,2,10.05\n" +
		"2025-01-02,south,map,1,9.9\n" +
		"2025-01-03,north,map,3,0.10\n" +
		"2025-01-03,\"over, there\",rope,0,7\n"
	var got sales
	result := guesttest.Run("reports.sales", reportArgs{csv}, guesttest.Task{})
	require.NoError(t, result.Decode(&got))
	require.Equal(t, sales{
		Rows:     4,
		Regions:  []total{{"north", 5, 2040}, {"over, there", 0, 0}, {"south", 1, 990}},
		Products: []total{{"map", 4, 1020}, {"rope", 2, 2010}},
	}, got)
	require.Equal(t, []guesttest.Line{
		{Level: "info", Message: "read", Fields: map[string]any{"rows": 4.0, "regions": 3.0, "products": 2.0}},
	}, result.Logs)
}

func TestEmptyReport(t *testing.T) {
	t.Parallel()
	result := guesttest.Run("reports.sales", reportArgs{header}, guesttest.Task{})
	require.JSONEq(t, `{"rows":0,"regions":[],"products":[]}`, string(result.Output))
}

// The sums of a large table are held against exact fractions.
func TestLargeReport(t *testing.T) {
	t.Parallel()
	const rows = 12_000
	csv := string(inputs.Sales(1, rows))
	result := guesttest.Run("reports.sales", reportArgs{csv}, guesttest.Task{})
	var got sales
	require.NoError(t, result.Decode(&got))
	require.Equal(t, rows, got.Rows)

	regions, products := exact(t, csv, 1), exact(t, csv, 2)
	require.Equal(t, regions, revenue(got.Regions))
	require.Equal(t, products, revenue(got.Products))
	for _, list := range [][]total{got.Regions, got.Products} {
		require.True(t, slices.IsSortedFunc(list, func(a, b total) int { return strings.Compare(a.Name, b.Name) }))
	}

	var progress []any
	for _, line := range result.Logs {
		if line.Message == "reading" {
			progress = append(progress, line.Fields["rows"])
		}
	}
	require.Equal(t, []any{2500.0, 5000.0, 7500.0, 10000.0}, progress)
}

// exact sums the revenue by a column, in another way than the task does.
func exact(t *testing.T, csv string, column int) map[string]string {
	t.Helper()
	sums := map[string]*big.Rat{}
	for _, line := range strings.Split(strings.TrimSuffix(csv, "\n"), "\n")[1:] {
		row := strings.Split(line, ",")
		units, ok := new(big.Rat).SetString(row[3])
		require.True(t, ok)
		price, ok := new(big.Rat).SetString(row[4])
		require.True(t, ok)
		if sums[row[column]] == nil {
			sums[row[column]] = new(big.Rat)
		}
		sums[row[column]].Add(sums[row[column]], units.Mul(units, price))
	}
	texts := map[string]string{}
	for name, sum := range sums {
		texts[name] = sum.FloatString(2)
	}
	return texts
}

func revenue(list []total) map[string]string {
	texts := map[string]string{}
	for _, sum := range list {
		texts[sum.Name] = fmt.Sprintf("%d.%02d", sum.RevenueCents/100, sum.RevenueCents%100)
	}
	return texts
}

func TestMalformedTableFailsForGood(t *testing.T) {
	t.Parallel()
	good := "2025-01-01,north,rope,2,10.05\n"
	for name, test := range map[string]struct{ csv, message string }{
		"empty":         {"", "the table is empty: its first line must be date,region,product,units,price"},
		"other columns": {"a,b\n", `line 1 is "a,b", must be date,region,product,units,price`},
		"few fields":    {header + good + "2025-01-01,north\n", "line 3: wrong number of fields"},
		"quote":         {header + good + good + "2025-01-01,no\"rth,rope,2,1\n", "line 4: bare \" in non-quoted-field"},
		"date":          {header + "01/02/2025,north,rope,2,1\n", `line 2: the date is "01/02/2025", must be like 2025-12-31`},
		"after a break": {header + "2025-01-01,\"no\nrth\",rope,2,1\n2025-01-01,,rope,2,1\n", "line 4: a region and a product are needed"},
		"units":         {header + good + "2025-01-01,north,rope,two,1\n", `line 3: the units are "two", must be from 0 to 100000`},
		"minus units":   {header + "2025-01-01,north,rope,-1,1\n", `line 2: the units are "-1", must be from 0 to 100000`},
		"many units":    {header + "2025-01-01,north,rope,100001,1\n", `line 2: the units are "100001", must be from 0 to 100000`},
		"price":         {header + "2025-01-01,north,rope,1,1.005\n", `line 2: the price is "1.005", must be from 0 to 1000000 with at most two decimals`},
		"minus price":   {header + "2025-01-01,north,rope,1,-1\n", `line 2: the price is "-1", must be from 0 to 1000000 with at most two decimals`},
		"sign inside":   {header + "2025-01-01,north,rope,1,1.+5\n", `line 2: the price is "1.+5", must be from 0 to 1000000 with at most two decimals`},
		"no price":      {header + "2025-01-01,north,rope,1,.5\n", `line 2: the price is ".5", must be from 0 to 1000000 with at most two decimals`},
		"large price":   {header + "2025-01-01,north,rope,1,1000000.01\n", `line 2: the price is "1000000.01", must be from 0 to 1000000 with at most two decimals`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result := guesttest.Run("reports.sales", reportArgs{test.csv}, guesttest.Task{})
			require.True(t, result.Failed)
			require.Equal(t, guesttest.Permanent, result.Kind)
			require.Equal(t, test.message, result.Message)
		})
	}
}
