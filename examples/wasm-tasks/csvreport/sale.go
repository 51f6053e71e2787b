package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Bounds on one row. With them a sum over half a million rows fits into an
// int64.
const (
	maxUnits = 100_000
	maxCents = 1_000_000_00
)

// sale is one row. Its texts are good until the next row is read.
type sale struct {
	region, product string
	units, cents    int64
}

// readSale reads the next row. It returns io.EOF after the last one, and an
// error that begins with the line for one that is not as it should be.
func readSale(table *csv.Reader) (sale, error) {
	row, err := table.Read()
	if err != nil {
		return sale{}, rowError(err)
	}
	one := sale{region: row[1], product: row[2]}
	if _, err := time.Parse(time.DateOnly, row[0]); err != nil {
		return sale{}, atLine(table, 0, fmt.Errorf("the date is %q, must be like 2025-12-31", row[0]))
	}
	if one.region == "" || one.product == "" {
		return sale{}, atLine(table, 1, errors.New("a region and a product are needed"))
	}
	if one.units, err = strconv.ParseInt(row[3], 10, 64); err != nil || one.units < 0 || one.units > maxUnits {
		return sale{}, atLine(table, 3, fmt.Errorf("the units are %q, must be from 0 to %d", row[3], maxUnits))
	}
	if one.cents, err = parseCents(row[4]); err != nil {
		return sale{}, atLine(table, 4, err)
	}
	return one, nil
}

// rowError puts the line first, as the other errors do.
func rowError(err error) error {
	var broken *csv.ParseError
	if errors.As(err, &broken) {
		return fmt.Errorf("line %d: %w", broken.Line, broken.Err)
	}
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	return fmt.Errorf("the table cannot be read: %w", err)
}

func atLine(table *csv.Reader, field int, err error) error {
	line, _ := table.FieldPos(field)
	return fmt.Errorf("line %d: %w", line, err)
}

// parseCents reads money with at most two decimals, without a float in which
// 0.1 is not 0.1.
func parseCents(text string) (int64, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	digits := whole + (fraction + "00")[:2]
	cents, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || whole == "" || len(fraction) > 2 || cents > maxCents {
		return 0, fmt.Errorf("the price is %q, must be from 0 to %d with at most two decimals", text, maxCents/100)
	}
	return int64(cents), nil
}
