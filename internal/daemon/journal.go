// SPDX-License-Identifier: BSD-2-Clause

package daemon

import "strings"

// messageIDs are the MESSAGE_ID of the events in the journal, by the beginning of the
// message, up to the first colon, semicolon or bracket. init/systemd/utmpd.catalog explains
// each. They are never changed: people search for them.
var messageIDs = map[string]string{
	"session ended":          "6938f697a1724e1b92f27fd0f89453c9",
	"session would be ended": "16705eb847ff4658ae5f2de007bbece1",
	"session left alone":     "47dc8fb244b142959596502d54d02de7",
	"utmpd started":          "2d5fb0498a7a404fa042dd7f1a4dd621",
	"utmpd ended":            "583d0ec2641a450db0d0a9ca18f4a27a",
	"utmpd ends":             "14643dee05284198bce2c7c09029bd8b",
	"the clock was stepped":  "52331e0072b2489cb6aa79f41b1091be",
	"cleaning waits":         "a01d1e02db9f4a46aa723c56763b6620",
	"a lock is held by":      "3f64620ae857439181b0851111ddbba1",
	"a logout is lost":       "b9109f668a654d5cb1c308b59c7ade5a",
	"pending logouts are written to the wtmpx file":            "19d0f860c5d24872ba9e09c082b5e2a9",
	"the file system does not answer":                          "e79c2661724a47c4a7e6cc9440935cbe",
	"the system does not answer":                               "cc4c86a2f6ae4f1893449b91e0b45aa4",
	"the wtmpx file is damaged":                                "690a9f0165db46c08778e94018bbb09d",
	"the wtmpx file takes no records":                          "e5892af0b950413ba98a0ba68e1d744a",
	"some sessions are not watched, only checked at each scan": "d80b45f5bb834ae5871270da6fdda023",
	"log lines lost":                                           "92a3d1ba23674838a61ffb6be49f2270",
	"session recorded for logind":                              "48648cf6e76e474289fbe7154d4d62f4",
}

// sameEvents are messages that tell of an event of messageIDs in other words.
var sameEvents = map[string]string{
	"pending logouts are not needed":                        "pending logouts are written to the wtmpx file",
	"the clock was stepped, and that could not be recorded": "the clock was stepped",
	"utmpd ends while a file system does not answer":        "utmpd ended",
}

// messageID returns the MESSAGE_ID of a message, or "".
func messageID(message string) string {
	if id, ok := messageIDs[message]; ok {
		return id
	}
	if i := strings.IndexAny(message, ":;("); i >= 0 {
		message = strings.TrimRight(message[:i], " ")
	}
	if same, ok := sameEvents[message]; ok {
		message = same
	}
	return messageIDs[message]
}
