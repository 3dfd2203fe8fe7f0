//! temp
use georush::{scenario::*, simulate};
struct O; impl simulate::Observer for O {}
fn main(){
    for a in std::env::args().skip(1) {
    let s = load(a.as_ref(), &[], None).unwrap_or_else(|e| {println!("{e}"); panic!()});
    let t=cpu_time::ThreadTime::now();
    let o = simulate::run(&s,&mut O).unwrap(); let e=t.elapsed().as_secs_f64();
    let f=&o.findings;
    println!("{a}: req {} adm {} rej {} central {} oa {} max {:.3} ident {} cross {} ce {} dup {} loss {}/{} conv {:?} digest {:x} | {:.2}s {:.2} M/s ev {}", o.requests,f.admitted,f.rejected,f.central_count,f.over_admission,f.over_admission_max,f.arrivals_before_visible,f.crossings,f.count_error,f.duplicates,f.declared_loss,f.silent_loss,f.regions.iter().map(|r|r.convergence_us.map(|c|c/1000)).max(),o.digest,e,o.requests as f64/e/1e6,o.events);
    for i in &f.invariants { if i.violations>0 {println!("   {} {} {:?}",i.id,i.violations,i.first);} }
    let all=o.measure.select(&Tags::default());
    println!("   lat p50 {} p99 {} causes {:?} cold {} stale p50 {} p99 {} fresh {}", all.latency.value_at_quantile(0.5),all.latency.value_at_quantile(0.99),all.causes,all.cold_starts,f.regions[0].staleness.value_at_quantile(0.5),f.regions[0].staleness.value_at_quantile(0.99),f.regions[0].fresh);
    println!("   {}", std::fs::read_to_string("/proc/self/status").unwrap().lines().find(|l| l.starts_with("VmHWM")).unwrap());
    }
}
