// What Go's net/http does with a server: prints one line for each step, and ends with 1 at the first
// that fails.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

var client = &http.Client{Timeout: 20 * time.Second}

func check(what string, condition bool, seen ...interface{}) {
	if !condition {
		fmt.Println(append([]interface{}{what + ": FAILED:"}, seen...)...)
		os.Exit(1)
	}
	fmt.Println(what)
}

func ask(method, target string, body io.Reader, header http.Header) (*http.Response, string) {
	request, err := http.NewRequest(method, target, body)
	if err != nil {
		panic(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := client.Do(request)
	if err != nil {
		return &http.Response{Status: err.Error()}, ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return &http.Response{Status: err.Error()}, ""
	}
	return response, string(text)
}

// Whose length Go does not know, so that it sends chunks.
type stream struct{ io.Reader }

func main() {
	server := os.Args[1]
	var reused, fresh int64
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if info.Reused {
			atomic.AddInt64(&reused, 1)
		} else {
			atomic.AddInt64(&fresh, 1)
		}
	}}
	for i := 0; i < 50; i++ {
		request, _ := http.NewRequest("GET", server+"/hello", nil)
		response, err := client.Do(request.WithContext(httptrace.WithClientTrace(request.Context(), trace)))
		check("get", err == nil && response.StatusCode == 200, err)
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	check("keep-alive", fresh == 1 && reused == 49, fresh, reused)

	response, text := ask("POST", server+"/echo?a=1", strings.NewReader(url.Values{"b": {"ü &="}}.Encode()),
		http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	check("form", text == `{"a":["1"],"b":["ü &="]}`, response.Status, text)

	var form bytes.Buffer
	writer := multipart.NewWriter(&form)
	part, _ := writer.CreateFormFile("f", "a.bin")
	part.Write(bytes.Repeat([]byte("0123456789"), 100000))
	writer.Close()
	response, text = ask("POST", server+"/multipart", &form, http.Header{"Content-Type": {writer.FormDataContentType()}})
	var answer struct{ Files map[string][][]string }
	err := json.Unmarshal([]byte(text), &answer)
	check("multipart of 1 MB", err == nil && len(answer.Files["f"]) == 1 && len(answer.Files["f"][0][1]) == 1000000, response.Status)

	response, text = ask("PUT", server+"/streaming", stream{strings.NewReader(strings.Repeat("x", 300000))}, nil)
	check("chunked upload", text == "300000", response.Status, text)
	response, text = ask("PUT", server+"/streaming", strings.NewReader(strings.Repeat("x", 300000)),
		http.Header{"Expect": {"100-continue"}})
	check("100-continue", text == "300000", response.Status, text)
	response, _ = ask("PUT", server+"/streaming?expected_size=10", strings.NewReader(strings.Repeat("x", 100000)),
		http.Header{"Expect": {"100-continue"}})
	check("refused before the body", response.StatusCode == 413, response.Status)
	response, text = ask("GET", server+"/compressible", nil, nil)
	check("gzip", response.Uncompressed && len(text) == 1035, response.Status, len(text))
	response, text = ask("HEAD", server+"/large", nil, nil)
	check("head", response.ContentLength == 524288 && text == "", response.Status)
	response, text = ask("GET", server+"/static/audio.wav", nil, http.Header{"Range": {"bytes=8-11"}})
	check("range", response.StatusCode == 206 && text == "WAVE", response.Status, text)
	response, _ = ask("GET", server+"/static/audio.wav", nil, nil)
	response, _ = ask("GET", server+"/static/audio.wav", nil, http.Header{"If-None-Match": {response.Header.Get("Etag")}})
	check("not modified", response.StatusCode == 304, response.Status)

	events, err := client.Get(server + "/events")
	check("events", err == nil && events.Header.Get("Content-Type") == "text/event-stream", err)
	seen := 0
	for lines := bufio.NewScanner(events.Body); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "data: event ") {
			seen++
		}
	}
	check("three events", seen == 3, seen)

	var group sync.WaitGroup
	var good int64
	for i := 0; i < 200; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			if _, text := ask("GET", server+"/hello", nil, nil); text == "Hello world" {
				atomic.AddInt64(&good, 1)
			}
		}()
	}
	group.Wait()
	check("200 at once", good == 200, good)
}
