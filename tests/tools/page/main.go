// A page that says who serves it: what make demo-kubernetes runs in its pods.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
)

func main() {
	name, err := os.Hostname()
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(answer, "%s on %s\n", name, os.Getenv("NODE"))
	})
	log.Fatal(http.ListenAndServe(":8080", nil))
}
