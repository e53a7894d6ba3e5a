// Command boshclient drives a director with BOSH's own client library, for tests.
//
// It reads one JSON command per line on standard input, such as {"op":"info"}, and writes JSON lines on standard
// output: {"task":…} while a task runs, then one {"op":…,"ok":…,"value":…} or {"op":…,"ok":false,"error":…} per command.
// It connects with BOSH_ENVIRONMENT, BOSH_CLIENT, BOSH_CLIENT_SECRET and BOSH_CA_CERT (a path or the PEM itself).
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/cloudfoundry/bosh-cli/v7/director"
	boshlog "github.com/cloudfoundry/bosh-utils/logger"
)

// lineMax bounds one command: a manifest travels inside it.
const lineMax = 16 << 20

type answer struct {
	Op    string `json:"op"`
	Ok    bool   `json:"ok"`
	Value any    `json:"value,omitempty"`
	Error string `json:"error,omitempty"`
}

func main() {
	out := newPrinter(os.Stdout)
	d, err := connect(out)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 0, 64<<10), lineMax)
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) != "" {
			out.print(serve(d, lines.Bytes()))
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// connect builds the client. Without BOSH_ENVIRONMENT only interpolate works, and no director is needed for it.
func connect(out *printer) (director.Director, error) {
	address := os.Getenv("BOSH_ENVIRONMENT")
	if address == "" {
		return nil, nil
	}
	config, err := director.NewConfigFromURL(address)
	if err != nil {
		return nil, err
	}
	if config.CACert, err = pem(os.Getenv("BOSH_CA_CERT")); err != nil {
		return nil, err
	}
	config.Client = os.Getenv("BOSH_CLIENT")
	config.ClientSecret = os.Getenv("BOSH_CLIENT_SECRET")
	logger := boshlog.NewLogger(boshlog.LevelNone)
	return director.NewFactory(logger).New(config, out, director.NewNoopFileReporter())
}

func pem(value string) (string, error) {
	if value == "" || strings.Contains(value, "BEGIN") {
		return value, nil
	}
	content, err := os.ReadFile(value)
	return string(content), err
}

func serve(d director.Director, line []byte) answer {
	var command command
	if err := json.Unmarshal(line, &command); err != nil {
		return answer{Op: "?", Error: err.Error()}
	}
	run, known := operations[command.Op]
	if !known {
		return answer{Op: command.Op, Error: "unknown op"}
	}
	if d == nil && command.Op != "interpolate" {
		return answer{Op: command.Op, Error: "BOSH_ENVIRONMENT is not set"}
	}
	value, err := run(d, command)
	if err != nil {
		return answer{Op: command.Op, Error: err.Error(), Value: value}
	}
	return answer{Op: command.Op, Ok: true, Value: value}
}
