// Command command is a program that knows nothing of tasks: it does what its
// standard input says, for the tests of package host. They build it with
// GOOS=wasip1 GOARCH=wasm.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"time"
)

func main() {
	in := bufio.NewReader(os.Stdin)
	var order struct {
		Do   string `json:"do"`
		Code int    `json:"code"`
	}
	line, err := in.ReadBytes('\n')
	if len(line) > 0 {
		err = json.Unmarshal(line, &order)
	}
	if err != nil {
		log.Fatal("read the order: ", err)
	}
	switch order.Do {
	case "copy":
		n, err := io.Copy(os.Stdout, in)
		log.Print(n, " ", err)
	case "look":
		look(in)
	case "exit":
		fmt.Println("dropped")
		log.Print("about to exit")
		os.Exit(order.Code)
	case "panic":
		panic("boom") // the panic
	case "flood":
		for {
			fmt.Println("more and more and more")
		}
	case "exhaust":
		var keep [][]byte
		for {
			keep = append(keep, bytes.Repeat([]byte{1}, 1<<20))
		}
	case "spin":
		log.Print("running")
		for {
		}
	case "sleep":
		log.Print("running")
		time.Sleep(time.Hour)
	}
}

// look writes what the program sees of where it is.
func look(in io.Reader) {
	info, err := os.Stdin.Stat()
	rest, readErr := io.ReadAll(in)
	n, endErr := os.Stdin.Read(make([]byte, 8))
	_, fileErr := os.ReadFile("/etc/passwd")
	seen := map[string]any{
		"args": os.Args, "environ": os.Environ(),
		"terminal": info.Mode()&os.ModeCharDevice != 0, "stat": fmt.Sprint(err),
		"rest": string(rest), "read": fmt.Sprint(readErr),
		"end": fmt.Sprint(n, endErr), "close": fmt.Sprint(os.Stdin.Close()), "file": fileErr != nil,
	}
	if err := json.NewEncoder(os.Stdout).Encode(seen); err != nil {
		log.Fatal(err)
	}
}
