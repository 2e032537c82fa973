// srfake serves a schema registry in memory on a free port of loopback.
//
// It prints its address on one line and ends when its standard input does, so
// that it never outlives the test that started it. Its one argument is the
// Authorization header that it expects; empty: none.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/twmb/franz-go/pkg/sr/srfake"
)

func main() {
	var options []srfake.Option
	if len(os.Args) > 1 && os.Args[1] != "" {
		options = append(options, srfake.WithAuth(os.Args[1]))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		log.Fatal(http.Serve(listener, srfake.NewRegistry(options...).Handler()))
	}()
	fmt.Printf("http://%s\n", listener.Addr())
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		log.Fatal(err)
	}
}
