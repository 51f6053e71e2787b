// A guest whose arguments and result are small JSON documents, for measuring what a
// typed handler adds to a raw one.
package main

import guest "github.com/taskhost/taskhost/guest-sdk"

type order struct {
	Item  string  `json:"item"`
	Count int     `json:"count"`
	Price float64 `json:"price"`
	Paid  bool    `json:"paid"`
}

type bill struct {
	Item  string  `json:"item"`
	Total float64 `json:"total"`
	Open  bool    `json:"open"`
}

func init() {
	guest.Handle("json", func(_ guest.Context, in order) (bill, error) {
		return bill{Item: in.Item, Total: float64(in.Count) * in.Price, Open: !in.Paid}, nil
	}, guest.Options{})
}

func main() {}
