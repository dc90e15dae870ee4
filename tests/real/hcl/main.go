// Reads HCL as Terraform does, with HashiCorp's own parser: one file in base64 a line of standard input, one line of JSON
// for each on standard output. tests/fuzz compares it with what the allowlist of override files has judged.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

type reading struct {
	Readable   bool     `json:"readable"`
	Blocks     []string `json:"blocks"`
	Functions  []string `json:"functions"`
	Roots      []string `json:"roots"`
	Attributes []string `json:"attributes"`
}

// Enter notes what stands anywhere in a file: hclsyntax.Walk goes into every template.
func (r *reading) Enter(node hclsyntax.Node) hcl.Diagnostics {
	switch node := node.(type) {
	case *hclsyntax.Block:
		r.Blocks = append(append(r.Blocks, node.Type), node.Labels...)
	case *hclsyntax.Attribute:
		r.Attributes = append(r.Attributes, node.Name)
	case *hclsyntax.FunctionCallExpr:
		r.Functions = append(r.Functions, node.Name)
	case *hclsyntax.ScopeTraversalExpr:
		r.Roots = append(r.Roots, node.Traversal.RootName())
	}
	return nil
}

func (r *reading) Exit(hclsyntax.Node) hcl.Diagnostics { return nil }

func read(text []byte) reading {
	result := reading{Blocks: []string{}, Functions: []string{}, Roots: []string{}, Attributes: []string{}}
	file, problems := hclsyntax.ParseConfig(text, "own.tf", hcl.InitialPos)
	if body, ok := file.Body.(*hclsyntax.Body); ok && !problems.HasErrors() {
		result.Readable = true
		hclsyntax.Walk(body, &result)
	}
	return result
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<26)
	for lines.Scan() {
		text, err := base64.StdEncoding.DecodeString(lines.Text())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		answer, err := json.Marshal(read(text))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(string(answer))
	}
}
