package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"baton/internal/pair"
)

// Headers of a webhook. A receiver computes the HMAC-SHA256, under the secret, of
// the time, a full stop and the body, and compares it with the signature.
const (
	HeaderID        = "Baton-Id"        // of the notice; the same in every attempt
	HeaderTime      = "Baton-Time"      // of the attempt, Unix seconds
	HeaderSignature = "Baton-Signature" // v1= and the HMAC in hexadecimal
)

// Sign returns the value of HeaderSignature.
func Sign(secret, unixTime string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte(unixTime + ".")) // a hash never fails
	_, _ = mac.Write(body)
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}

// Payload is the body of a webhook.
type Payload struct {
	ID        string           `json:"id"`
	Kind      Kind             `json:"kind"`
	Time      time.Time        `json:"time"`
	Site      string           `json:"site"`
	Appliance PayloadAppliance `json:"appliance"`
	Text      string           `json:"text"` // one line: all of it, for people
	Events    []PayloadEvent   `json:"events"`
	Dropped   int              `json:"dropped"` // events before these that were not told
	Daily     *PayloadDaily    `json:"daily,omitempty"`
}

// PayloadAppliance is who sends.
type PayloadAppliance struct {
	ID   pair.ApplianceID `json:"id"`
	Name string           `json:"name"`
	Role pair.Role        `json:"role"`
}

// PayloadEvent is one event.
type PayloadEvent struct {
	ID        string           `json:"id"`
	Time      time.Time        `json:"time"`
	Appliance pair.ApplianceID `json:"appliance"`
	Kind      string           `json:"kind"`
	Severity  pair.Severity    `json:"severity,omitempty"`  // of a condition
	Condition string           `json:"condition,omitempty"` // its id
	Text      string           `json:"text"`
	NextStep  string           `json:"next_step,omitempty"`
	Times     int              `json:"times"` // how often it happened since the first
	First     time.Time        `json:"first"`
}

// PayloadDaily is the daily notice.
type PayloadDaily struct {
	Since  time.Time      `json:"since"`
	Status pair.Status    `json:"status"`
	Counts []Count        `json:"counts"`
	Events []PayloadEvent `json:"events"`
}

func payload(notice Notice) Payload {
	p := Payload{
		ID: notice.ID, Kind: notice.Kind, Time: notice.Time.UTC(), Site: notice.From.Site, Text: subject(notice),
		Appliance: PayloadAppliance{ID: notice.From.Self, Name: notice.From.Name, Role: notice.From.Role},
		Events:    []PayloadEvent{}, Dropped: notice.Dropped,
	}
	for _, item := range notice.Items {
		p.Events = append(p.Events, payloadEvent(item))
	}
	if notice.Kind != KindDaily {
		return p
	}
	p.Daily = &PayloadDaily{Since: notice.Daily.Since.UTC(), Status: notice.Daily.Status, Counts: notice.Daily.Counts, Events: []PayloadEvent{}}
	for _, event := range notice.Daily.Events {
		p.Daily.Events = append(p.Daily.Events, payloadEvent(Item{Event: event, Times: 1, First: event.Time}))
	}
	return p
}

func payloadEvent(item Item) PayloadEvent {
	e := item.Event
	return PayloadEvent{
		ID: e.ID, Time: e.Time.UTC(), Appliance: e.Appliance, Kind: e.Kind, Severity: severity(e), Condition: condition(e),
		Text: e.Text, NextStep: e.Detail["next_step"], Times: item.Times, First: item.First.UTC(),
	}
}

// webhook posts a notice. Of the answer only its status counts: what else a receiver
// says is shown to nobody.
func (s *Sender) webhook(ctx context.Context, w pair.Webhook, notice Notice) error {
	text, err := json.Marshal(payload(notice))
	if err != nil {
		return fmt.Errorf("write the webhook: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(text))
	if err != nil {
		return unsent("the address of "+w.Name+" cannot be used.", errors.Unwrap(err))
	}
	unixTime := strconv.FormatInt(time.Now().Unix(), 10)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", s.agent)
	request.Header.Set(HeaderID, notice.ID)
	request.Header.Set(HeaderTime, unixTime)
	request.Header.Set(HeaderSignature, Sign(w.Secret, unixTime, text))
	who := request.URL.Host // the rest of the address may be a secret
	response, err := s.http.Do(request)
	if err != nil {
		return explain(who, withoutURL(err))
	}
	_, _ = io.CopyN(io.Discard, response.Body, 4<<10) // a receiver may want to finish its answer
	_ = response.Body.Close()                         // nothing of it is used
	return judge(who, response)
}

// withoutURL is the cause of a failed request, without the address.
func withoutURL(err error) error {
	if failed, is := errors.AsType[*url.Error](err); is {
		return failed.Err
	}
	return err
}

func judge(who string, response *http.Response) error {
	status := response.StatusCode
	answer := fmt.Sprintf("%s answers %d %s", who, status, http.StatusText(status))
	switch {
	case status >= 200 && status < 300:
		return nil
	case status >= 300 && status < 400:
		return unsent(answer + ", which is not followed: save the address that it leads to.")
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return unsent(answer + ": check the address, and the secret at the receiver.")
	case status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge, status == http.StatusUnsupportedMediaType, status == http.StatusUnprocessableEntity:
		return unsent(answer+": it does not take what was sent; look at its log.", errNotTaken)
	case status >= 400 && status < 500:
		return unsent(answer + ": check the address.")
	}
	return unsent(answer + ": look at its log.")
}
