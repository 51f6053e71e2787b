// Command guest does what its first argument says, for the tests of package
// wasi. They build it with GOOS=wasip1 GOARCH=wasm.
package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"time"
)

func main() {
	switch os.Args[1] {
	case "describe":
		fmt.Println(len(os.Args), os.Args[2:], os.Environ())
	case "time":
		fmt.Println(time.Now().UnixNano())
	case "nap":
		start := time.Now()
		time.Sleep(20 * time.Millisecond)
		fmt.Println(time.Since(start) >= 20*time.Millisecond)
	case "sleep":
		fmt.Println("sleeping")
		time.Sleep(10 * time.Second)
		fmt.Println("awake")
	case "copy":
		n, err := io.Copy(os.Stdout, os.Stdin)
		fmt.Fprintln(os.Stderr, n, err)
	case "flood":
		os.Stdout.Write(bytes.Repeat([]byte("out."), 1<<18))
		os.Stderr.Write(bytes.Repeat([]byte("err."), 1<<18))
	case "random":
		var buf [8]byte
		rand.Read(buf[:])
		fmt.Println(buf, mathrand.Int64())
	case "files":
		_, err := os.ReadFile("/etc/passwd")
		fmt.Println(err)
		fmt.Println(os.WriteFile("x", nil, 0o600))
		info, err := os.Stdout.Stat()
		fmt.Println(info.Mode().Type() == os.ModeCharDevice|os.ModeDevice, err)
		_, err = os.Stdout.Seek(0, io.SeekStart)
		fmt.Println(err)
		fmt.Println(os.Stdin.Close(), os.Stdout.Sync())
	case "write":
		_, err := os.Stdout.WriteString("refused")
		fmt.Fprintln(os.Stderr, err)
	case "exit":
		os.Exit(3)
	case "panic":
		panic("boom")
	}
}
