package notifyio_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/millrace/millrace/connectors/notifyio"
)

// A receiver checks who has sent the body before it believes it.
func Example() {
	secret := []byte("shared by both")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !notifyio.Verify(secret, r.Header, body) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Println("taken:", string(body))
	}))
	defer server.Close()

	channels, err := notifyio.Open([]notifyio.Config{{On: notifyio.OnWarn, Webhook: &notifyio.WebhookConfig{URL: server.URL, Secret: string(secret)}}}, notifyio.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, status := range []notifyio.Status{notifyio.Pass, notifyio.Fail} {
		m := notifyio.Message{ID: "night-1", Event: "night.finished", Status: status, Subject: "the night of 2026-03-31"}
		if err := notifyio.Send(context.Background(), channels, m); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// taken: {"id":"night-1","event":"night.finished","status":"fail","subject":"the night of 2026-03-31"}
}
