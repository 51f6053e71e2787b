package guest_test

import (
	"errors"
	"fmt"
	"strings"

	guest "github.com/taskhost/taskhost/guest-sdk"
	"github.com/taskhost/taskhost/guest-sdk/guesttest"
)

type greeting struct {
	Name  string `json:"name" schema:"minLength=1"`
	Times int    `json:"times,omitempty" schema:"maximum=9"`
}

func init() {
	guest.Handle("greet.hello", hello, guest.Options{Retries: 2})
	guest.HandleRaw("greet.shout", shout, guest.Options{})
}

func hello(ctx guest.Context, in greeting) (string, error) {
	if in.Name == "nobody" {
		return "", guest.Permanent(errors.New("there is nobody to greet"))
	}
	ctx.Info("greeting", "name", in.Name, "attempt", ctx.Attempt())
	return strings.Repeat("hello, "+in.Name+"! ", max(1, in.Times)), nil
}

func shout(ctx guest.Context, in []byte) ([]byte, error) {
	ctx.SetOutputType("text/plain")
	return []byte(strings.ToUpper(string(in))), nil
}

func ExampleHandle() {
	result := guesttest.Run("greet.hello", greeting{Name: "Ada"}, guesttest.Task{Attempt: 1})
	fmt.Printf("%s\n", result.Output)
	fmt.Println(result.Logs[0].Message, result.Logs[0].Fields)

	result = guesttest.Run("greet.hello", greeting{Name: "nobody"}, guesttest.Task{})
	fmt.Println(result.Failed, result.Kind, result.Message)
	// Output:
	// "hello, Ada! "
	// greeting map[attempt:1 name:Ada]
	// true permanent there is nobody to greet
}

func ExampleHandleRaw() {
	result := guesttest.Run("greet.shout", []byte("any bytes"), guesttest.Task{})
	fmt.Printf("%s: %s\n", result.OutputType, result.Output)
	// Output:
	// text/plain: ANY BYTES
}
