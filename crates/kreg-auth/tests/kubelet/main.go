// Answers what the kubelet would do with pull secrets, by the kubelet's own code.
//
// One JSON object a line on standard input, {"document": "...", "image": "..."}; for each a
// line on standard output: {"users": ["...", ...]} in the order in which the kubelet would try
// them, {"badDocument": "..."} or {"badImage": "..."}.
package main

import (
	"bufio"
	"encoding/json"
	"os"

	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/credentialprovider/secrets"
	"k8s.io/kubernetes/pkg/util/parsers"
)

type question struct {
	Document string `json:"document"`
	Image    string `json:"image"`
}

type answer struct {
	Users       []string `json:"users"`
	BadDocument string   `json:"badDocument,omitempty"`
	BadImage    string   `json:"badImage,omitempty"`
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		var q question
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			panic(err)
		}
		if err := out.Encode(ask(q)); err != nil {
			panic(err)
		}
	}
	if err := in.Err(); err != nil {
		panic(err)
	}
}

func ask(q question) answer {
	secret := v1.Secret{
		Type: v1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{v1.DockerConfigJsonKey: []byte(q.Document)},
	}
	keyring, err := secrets.MakeDockerKeyring([]v1.Secret{secret}, credentialprovider.UnionDockerKeyring{})
	if err != nil {
		return answer{BadDocument: err.Error()}
	}
	repository, _, _, err := parsers.ParseImageName(q.Image)
	if err != nil {
		return answer{BadImage: err.Error()}
	}
	found, _ := keyring.Lookup(repository)
	users := []string{}
	for _, config := range found {
		users = append(users, config.Username)
	}
	return answer{Users: users}
}
