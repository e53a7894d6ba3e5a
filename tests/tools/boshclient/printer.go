package main

import (
	"encoding/json"
	"io"
	"sync"
)

type taskLine struct {
	Task  int    `json:"task"`
	State string `json:"state,omitempty"`
	Chunk string `json:"chunk,omitempty"`
}

// printer writes JSON lines; as the client's task reporter it also tells what a task does while it is waited for.
type printer struct {
	mutex   sync.Mutex
	encoder *json.Encoder
}

func newPrinter(to io.Writer) *printer {
	return &printer{encoder: json.NewEncoder(to)}
}

func (p *printer) print(value any) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if err := p.encoder.Encode(value); err != nil {
		panic(err)
	}
}

func (p *printer) TaskStarted(id int)                { p.print(taskLine{Task: id, State: "started"}) }
func (p *printer) TaskFinished(id int, state string) { p.print(taskLine{Task: id, State: state}) }
func (p *printer) TaskOutputChunk(id int, chunk []byte) {
	p.print(taskLine{Task: id, Chunk: string(chunk)})
}

// collector keeps one task's output instead of printing it.
type collector struct{ text []byte }

func (c *collector) TaskStarted(int)                    {}
func (c *collector) TaskFinished(int, string)           {}
func (c *collector) TaskOutputChunk(_ int, more []byte) { c.text = append(c.text, more...) }
