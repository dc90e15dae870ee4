//! Texts of the demo in English and Japanese.

use crate::cli::text::texts;

texts! { Line:
    Title: "Galley demo: a real design, real Terraform {terraform}, a simulated Oracle Cloud; nothing leaves this machine", "Galley デモ: 本物の設計、本物の Terraform {terraform}、シミュレーションの Oracle Cloud。外部とは一切通信しません";
    // headings
    StepServer: "The server starts and an MCP host connects", "サーバーを起動し、MCP ホストとして接続";
    StepDesign: "A session and its architecture are saved", "セッションと構成を保存";
    StepPlan: "A plan is made; nothing is built yet", "プランを作成(まだ何も作られない)";
    StepApply: "Exactly that plan is approved and applied", "そのプランだけを承認して適用";
    StepCheck: "Terraform, the cloud and Galley say the same", "Terraform・クラウド・Galley の一致を確認";
    StepDrift: "Somebody changes the cloud behind Terraform's back", "Terraform の外でクラウドが変更される";
    StepRepair: "The drift is repaired by an approved plan", "承認したプランでドリフトを修復";
    StepReplace: "An edit that replaces a resource says what forces it", "置換を伴う変更は、その原因の属性を示す";
    StepDestroy: "Everything is destroyed, after review", "確認のうえ、すべて削除";
    StepGone: "The session is deleted", "セッションを削除";
    StepFile: "A design from a file that says what it expects: answers, components, findings", "期待値を記したファイルの設計: 回答、コンポーネント、指摘";
    StepRefused: "A design that has to be refused, and why it is", "拒否されるべき設計と、その理由";
    StepFilePlan: "Its rendered Terraform is exactly what the file expects", "生成された Terraform はファイルの期待値と完全に一致";
    StepSurvive: "A part of the apply fails; a new one is taken at once", "適用の一部が失敗しても、すぐに次の適用を受け付ける";
    StepFileApply: "Applied: the cloud is exactly what the file expects", "適用後、クラウドはファイルの期待値と完全に一致";
    StepFileGone: "Destroyed after review, and the session deleted", "確認のうえ削除し、セッションも削除";
    // checks: what was compared with what
    ServerReady: "server ready at {url} (process {pid}): store and controllers answer", "サーバー稼働中 {url}(プロセス {pid}): ストアとコントローラーが応答";
    Connected: "MCP over HTTP, revision {version}, {tools} tools", "HTTP の MCP に接続、版 {version}、ツール {tools} 個";
    SessionMade: "session {session}", "セッション {session}";
    Saved: "{components} components, {connections} connections saved", "コンポーネント {components} 個、接続 {connections} 本を保存";
    Heard: "{answers} answers: {requirements} requirements and {constraints} constraints", "回答 {answers} 件: 要件 {requirements} 件、制約 {constraints} 件";
    NotHeard: "the hearing stays open: {problem}", "ヒアリングは未完了のまま進めます: {problem}";
    Refused: "refused as the file says: {what}", "ファイルの記述どおりに拒否: {what}";
    RefusedProblem: "told: {problem}", "伝えた内容: {problem}";
    NotRefused: "the design was saved, but has to be refused", "拒否されるべき設計が保存されました";
    Unchecked: "not checked, because nothing here knows how: {members}. A person has to look at it", "確かめ方が分からないため未確認: {members}。人が見て確かめてください";
    Flagged: "flagged as the file says: {what}", "ファイルの記述どおりに指摘: {what}";
    ViewRendered: "Terraform", "Terraform";
    ViewCloud: "cloud", "クラウド";
    AsExpected: "{view}, {member}: {count} as expected{detail}", "{view}、{member}: {count} 件が期待どおり{detail}";
    PlanCounts: "{create} to create, {update} to change, {replace} to replace, {delete} to destroy", "作成 {create}、変更 {update}、置換 {replace}、削除 {delete}";
    FaultSet: "in the cloud, every new {kind} now fails with {error}", "クラウドで {kind} の作成は {error} で失敗するようにした";
    PartlyMade: "job {job} failed at {failed}; {made} is there, and the status says both", "ジョブ {job} は {failed} で失敗。{made} は作成済みで、status に両方ある";
    NoFindings: "no findings", "指摘なし";
    NoErrors: "no finding is an error: {errors} errors, {warnings} warnings, {infos} notes", "エラーの指摘なし: エラー {errors}、警告 {warnings}、情報 {infos}";
    CloudStillEmpty: "the cloud is still empty: {count} resources", "クラウドはまだ空: {count} リソース";
    CloudUntouched: "the cloud is unchanged until somebody approves: {count} resources", "承認まではクラウドは変わらない: {count} リソース";
    PlanReady: "plan {sha} waits for its approval", "プラン {sha} が承認待ち";
    WrongRefused: "a yes to another plan ({sha}) is refused: {code}", "別のプラン({sha})への承認は拒否される: {code}";
    ApprovedPlan: "approved: exactly plan {sha}", "承認: プラン {sha} だけ";
    Progress: "{step} {done}/{total} {current}", "{step} {done}/{total} {current}";
    Settled: "Synced / Healthy", "Synced / Healthy(同期済み・健全)";
    AllMade: "{count} resources planned = {cloud} in the cloud", "計画 {count} リソース = クラウド {cloud} リソース";
    SameAddresses: "terraform state list {state} = status {status} addresses, one by one", "terraform state list {state} = status {status} アドレス、1 件ずつ一致";
    SamePlanned: "the plan creates {plan} = {rendered} resources in the files", "プランの作成 {plan} = ファイルのリソース {rendered}";
    SameFiles: "terraform state list = the resources of the files ({count}), one by one", "terraform state list = ファイルのリソース({count} 件)、1 件ずつ一致";
    SameIds: "ids in status = ids in the cloud ({count}), one by one", "status の ID = クラウドの ID({count} 件)、1 件ずつ一致";
    FormatClean: "terraform fmt -check is clean", "terraform fmt -check に差分なし";
    BarePlanClean: "a bare terraform plan -detailed-exitcode gives 0: nothing to do", "素の terraform plan -detailed-exitcode は 0: 変更なし";
    ChangedOutside: "{attribute} of {id} is now {value} in the cloud", "クラウドで {id} の {attribute} を {value} に変更";
    DriftNamed: "drift found and named: {address}: {paths}", "ドリフトを検出し特定: {address}: {paths}";
    DriftRepaired: "{attribute} is {value} again in the cloud", "クラウドの {attribute} は {value} に戻った";
    EditMade: "the VM moves into a subnet of its own", "VM を専用サブネットへ移動";
    ReplaceForced: "{address} must be replaced because of {paths}", "{address} は {paths} の変更により置換が必要";
    Replaced: "replaced in the cloud: {old} is gone, {new} is there", "クラウドで置換済み: {old} は消え、{new} がある";
    DestroyReviewed: "the destroy plan deletes {plan} resources = {cloud} in the cloud", "削除プランは {plan} リソースを削除 = クラウド {cloud} リソース";
    CloudEmpty: "the cloud is empty: {count} resources", "クラウドは空: {count} リソース";
    StateEmpty: "terraform state list is empty: {count} addresses", "terraform state list は空: {count} アドレス";
    SessionGone: "session and design are gone", "セッションと設計は消えた";
    ServerStopped: "the server stopped", "サーバーは停止した";
    Finished: "Everything above was checked against the simulated cloud and Terraform, not against Galley's own word. {seconds} s", "以上はすべて Galley の言い分ではなく、シミュレーションクラウドと Terraform に照らして確認しました。{seconds} 秒";
    Kept: "left behind to look at: {dir}", "残してあります: {dir}";
    // untrue
    Untrue: "step {number} ({title}) is untrue: {what}; look into {dir}", "手順 {number}({title})が成り立ちません: {what}。{dir} を見てください";
    TooLong: "{what} did not come within {seconds} s; last seen: {seen}", "{seconds} 秒以内に {what} になりませんでした。最後の状態: {seen}";
    Differs: "{what}: {left} and {right} differ", "{what}: {left} と {right} が違います";
    ToolFailed: "tool {tool} answered {code}: {message}", "ツール {tool} の応答 {code}: {message}";
    Missing: "the answer of {tool} has no {field}", "{tool} の応答に {field} がありません";
    WentWrong: "{reason}: {message}", "{reason}: {message}";
    ServerEnded: "the server ended: {problem}", "サーバーが終了しました: {problem}";
}
