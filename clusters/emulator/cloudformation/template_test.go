package cloudformation

import (
	"errors"
	"strings"
	"testing"
)

// TestTemplates: a refusal names what it refuses
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html).
func TestTemplates(t *testing.T) {
	const gateway = `"G":{"Type":"AWS::EC2::InternetGateway"}`
	deep := strings.Repeat("[", maxDepth+2) + strings.Repeat("]", maxDepth+2)
	for _, test := range []struct{ name, body, says string }{
		{"JSON", `{"Resources":{` + gateway + `}}`, ""},
		{"YAML", "Resources:\n  G:\n    Type: AWS::EC2::InternetGateway\n", ""},
		{"short forms", "Resources:\n  V:\n    Type: AWS::EC2::VPC\n  S:\n    Type: AWS::EC2::Subnet\n    Properties:\n      VpcId: !Ref V\n      CidrBlock: !Select [0, !Cidr [!GetAtt V.CidrBlock, 4, 8]]\n", ""},
		{"nothing", "", "must be specified"},
		{"a text", `"x"`, "unsupported structure"},
		{"no resource", `{"Resources":{}}`, "At least one Resources member"},
		{"another version", `{"AWSTemplateFormatVersion":"2009-09-09","Resources":{` + gateway + `}}`, "2009-09-09"},
		{"parameters", `{"Parameters":{},"Resources":{` + gateway + `}}`, "Parameters"},
		{"conditions", `{"Conditions":{},"Resources":{` + gateway + `}}`, "Conditions"},
		{"a transform", `{"Transform":"AWS::Serverless-2016-10-31","Resources":{` + gateway + `}}`, "Transform"},
		{"an unknown section", `{"Stuff":{},"Resources":{` + gateway + `}}`, "[Stuff]"},
		{"unknown types", `{"Resources":{"A":{"Type":"AWS::SNS::Topic"},"B":{"Type":"Custom::X"}}}`, "[AWS::SNS::Topic, Custom::X]"},
		{"no type", `{"Resources":{"A":{}}}`, "Unrecognized resource types: []"},
		{"an attribute", `{"Resources":{"G":{"Type":"AWS::EC2::InternetGateway","CreationPolicy":{}}}}`, "CreationPolicy"},
		{"a name with a hyphen", `{"Resources":{"a-b":{"Type":"AWS::EC2::InternetGateway"}}}`, "non alphanumeric"},
		{"a key twice", `{"Resources":{` + gateway + `,` + gateway + `}}`, "twice"},
		{"a reference to nothing", `{"Resources":{"S":{"Type":"AWS::EC2::Subnet","Properties":{"VpcId":{"Ref":"V"}}}}}`, "Unresolved resource dependencies [V]"},
		{"a reference in a text", `{"Resources":{"S":{"Type":"AWS::EC2::Subnet","Properties":{"VpcId":{"Fn::Sub":"${V.Id}"}}}}}`, "Unresolved resource dependencies [V]"},
		{"a reference in an output", `{"Resources":{` + gateway + `},"Outputs":{"O":{"Value":{"Ref":"V"}}}}`, "in the Outputs block"},
		{"an unknown pseudo parameter", `{"Resources":{"S":{"Type":"AWS::EC2::Subnet","Properties":{"VpcId":{"Ref":"AWS::Moon"}}}}}`, "AWS::Moon"},
		{"an unknown function", `{"Resources":{"S":{"Type":"AWS::EC2::Subnet","Properties":{"VpcId":{"Fn::Base64":"x"}}}}}`, "Fn::Base64"},
		{"an unknown function in an output", "Resources: {G: {Type: 'AWS::EC2::InternetGateway'}}\nOutputs: {O: {Value: !GetAZs ''}}", "Fn::GetAZs"},
		{"a circle", `{"Resources":{"A":{"Type":"AWS::EC2::InternetGateway","DependsOn":"B"},"B":{"Type":"AWS::EC2::InternetGateway","DependsOn":["A"]}}}`, "Circular dependency between resources: [A, B]"},
		{"itself", `{"Resources":{"A":{"Type":"AWS::EC2::InternetGateway","DependsOn":"A"}}}`, "Circular dependency"},
		{"an alias", "Resources: {A: &a {Type: 'AWS::EC2::InternetGateway'}, B: *a}", "aliases"},
		{"too deep", `{"Metadata":` + deep + `,"Resources":{` + gateway + `}}`, "nested deeper"},
		{"too long", `{"Description":"` + strings.Repeat("a", maxTemplate) + `"}`, "51200"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := parse(test.body)
			if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestFunctions: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html.
func TestFunctions(t *testing.T) {
	e := &environment{
		stackName: "s", stackID: "id", region: "us-west-2", account: "123456789012",
		mappings:  map[string]any{"M": map[string]any{"aws": map[string]any{"EKS": "eks.amazonaws.com"}}},
		ref:       func(id string) (string, error) { return "ref-" + id, nil },
		attribute: func(id, name string) (string, error) { return id + "." + name, nil },
		export: func(name string) (string, error) {
			if name != "s::X" {
				return "", errors.New("No export named " + name + " found.") // AWS's text
			}
			return "exported", nil
		},
	}
	list := func(items ...any) []any { return items }
	call := func(name string, argument any) map[string]any { return map[string]any{name: argument} }
	for _, test := range []struct {
		name string
		v    any
		want string
	}{
		{"Ref", call("Ref", "V"), `"ref-V"`},
		{"pseudo parameter", call("Ref", "AWS::Partition"), `"aws"`},
		{"GetAtt", call("Fn::GetAtt", list("R", "Arn")), `"R.Arn"`},
		{"Sub", call("Fn::Sub", "${AWS::StackName}/${V}/${R.Arn}/${!literal}"), `"s/ref-V/R.Arn/${literal}"`},
		{"Sub with variables", call("Fn::Sub", list("${a}-${b}", map[string]any{"a": call("Ref", "V"), "b": 1})), `"ref-V-1"`},
		{"Join", call("Fn::Join", list(",", list("a", call("Ref", "V")))), `"a,ref-V"`},
		{"Join of nothing", call("Fn::Join", list(",", list())), `""`},
		{"FindInMap", call("Fn::FindInMap", list("M", call("Ref", "AWS::Partition"), "EKS")), `"eks.amazonaws.com"`},
		{"FindInMap without the key", call("Fn::FindInMap", list("M", "aws", "EC2")), "Unable to get mapping for M::aws::EC2"},
		{"ImportValue", call("Fn::ImportValue", call("Fn::Sub", "${AWS::StackName}::X")), `"exported"`},
		{"ImportValue of nothing", call("Fn::ImportValue", "Y"), "No export named Y found."},
		{"Select", call("Fn::Select", list("1", call("Fn::Split", list(",", "a,b")))), `"b"`},
		{"Select outside", call("Fn::Select", list(2, list("a", "b"))), "nonexistent value at index 2"},
		{"Split", call("Fn::Split", list("|", "a|b|")), `["a","b",""]`},
		{"Cidr", call("Fn::Cidr", list("192.168.0.0/24", 3, 5)), `["192.168.0.0/27","192.168.0.32/27","192.168.0.64/27"]`},
		{"Cidr over an octet", call("Fn::Cidr", list("10.0.0.0/16", "3", "9")), `["10.0.0.0/23","10.0.2.0/23","10.0.4.0/23"]`},
		{"Cidr of IPv6", call("Fn::Cidr", list("2001:db8::/56", 2, 64)), `["2001:db8::/64","2001:db8:0:1::/64"]`},
		{"Cidr of too many", call("Fn::Cidr", list("192.168.0.0/24", 9, 5)), "cannot make 9 ranges"},
		{"no value in an object", map[string]any{"a": 1, "b": call("Ref", "AWS::NoValue")}, `{"a":1}`},
		{"no value in a list", list(1, call("Ref", "AWS::NoValue")), `[1]`},
		{"an object of one name", map[string]any{"Key": "a"}, `{"Key":"a"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := e.resolve(test.v)
			text := encode(map[string]any{"v": got})
			if err == nil && text != `{"v":`+test.want+`}` || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %s, %v", text, err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"Resources":{"G":{"Type":"AWS::EC2::InternetGateway","Properties":{"Tags":[{"Key":"a","Value":{"Fn::Sub":"${G}"}}]}}}}`)
	f.Add("Resources:\n  S:\n    Type: AWS::EC2::Subnet\n    Properties: {VpcId: !Sub ['${a}', {a: !GetAtt S.Id}]}\n")
	f.Add("Resources: !Ref [")
	f.Fuzz(func(t *testing.T, body string) {
		parsed, err := parse(body)
		if err != nil {
			return
		}
		if len(parsed.order) != len(parsed.resources) {
			t.Errorf("%d of %d resources are in order", len(parsed.order), len(parsed.resources))
		}
		e := &environment{
			stackName: "s", mappings: parsed.mappings, ref: func(string) (string, error) { return "r", nil },
			attribute: func(string, string) (string, error) { return "a", nil }, export: func(string) (string, error) { return "e", nil },
		}
		for _, d := range parsed.resources {
			_, _ = properties(e, d) // must not panic
		}
	})
}
