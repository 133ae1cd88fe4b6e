package wire

import "baton/internal/pair"

// Poll is what the backup asks the primary at every poll interval.
type Poll struct {
	Version int       `json:"version"`
	Seq     uint64    `json:"seq"` // rises by one with every poll since the sender started
	Ack     uint64    `json:"ack"` // Seq of the newest answer received; 0: none yet
	View    pair.View `json:"view"`
}

// Answer is what the polled appliance answers.
type Answer struct {
	Version int       `json:"version"`
	Seq     uint64    `json:"seq"` // of the poll that it answers
	View    pair.View `json:"view"`
}

// DecodePoll reads a poll that arrived.
func DecodePoll(data []byte) (Poll, error) {
	var poll Poll
	err := poll.UnmarshalJSON(data)
	return poll, err
}

// DecodeAnswer reads an answer that arrived.
func DecodeAnswer(data []byte) (Answer, error) {
	var answer Answer
	err := answer.UnmarshalJSON(data)
	return answer, err
}

// UnmarshalJSON implements json.Unmarshaler: strict on the version.
func (p *Poll) UnmarshalJSON(data []byte) error {
	type plain Poll // without methods, so that decoding does not come back here
	return decode("poll", data, (*plain)(p))
}

// UnmarshalJSON implements json.Unmarshaler: strict on the version.
func (a *Answer) UnmarshalJSON(data []byte) error {
	type plain Answer
	return decode("answer", data, (*plain)(a))
}
