// Command pss-evaluator says which Pod Security Standard pods meet, with the checks of Kubernetes' own admission.
//
// Each line of standard input is one question: {"level": "restricted", "version": "v1.34", "metadata": {…}, "spec": {…}}
// with the metadata and spec of a pod. Each line of standard output is its answer: {"allowed": false, "forbidden":
// [{"reason": …, "detail": …}], "message": …}, where the message is the one an API server would end its refusal with.
// A line that is no question ends the program with exit code 1 and names the line.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	kjson "sigs.k8s.io/json"
)

const longestLine = 16 << 20 // bytes; the API server itself takes no larger object

type question struct {
	Level    string            `json:"level"`
	Version  string            `json:"version"`
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     corev1.PodSpec    `json:"spec"`
}

type finding struct {
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

type answer struct {
	Allowed   bool      `json:"allowed"`
	Forbidden []finding `json:"forbidden"`
	Message   string    `json:"message"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "pss-evaluator:", err)
		os.Exit(1)
	}
}

func run(input io.Reader, output io.Writer) error {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(input)
	lines.Buffer(nil, longestLine)
	answers := json.NewEncoder(output)
	answers.SetEscapeHTML(false)
	for number := 1; lines.Scan(); number++ {
		found, err := evaluate(evaluator, lines.Bytes())
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if err := answers.Encode(found); err != nil {
			return err
		}
	}
	return lines.Err()
}

func evaluate(evaluator policy.Evaluator, line []byte) (*answer, error) {
	var asked question
	// A misspelt field would be a field that no check looks at, so it is an error.
	mistakes, err := kjson.UnmarshalStrict(line, &asked)
	if err != nil {
		return nil, err
	}
	if len(mistakes) > 0 {
		return nil, mistakes[0]
	}
	level, err := api.ParseLevel(asked.Level)
	if err != nil {
		return nil, fmt.Errorf("level %q: %w", asked.Level, err)
	}
	version, err := api.ParseVersion(asked.Version)
	if err != nil {
		return nil, fmt.Errorf("version %q: %w", asked.Version, err)
	}
	results := evaluator.EvaluatePod(api.LevelVersion{Level: level, Version: version}, &asked.Metadata, &asked.Spec)
	found := &answer{Allowed: true, Forbidden: []finding{}}
	for _, result := range results {
		if !result.Allowed {
			found.Allowed = false
			found.Forbidden = append(found.Forbidden, finding{result.ForbiddenReason, result.ForbiddenDetail})
		}
	}
	if !found.Allowed {
		summary := policy.AggregateCheckResults(results)
		found.Message = summary.ForbiddenDetail()
	}
	return found, nil
}
