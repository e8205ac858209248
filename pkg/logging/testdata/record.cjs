// Records overrides.json: which entries Backstage's logger (backend-defaults 0.18.0) writes.
// Run with the path of a node_modules folder of a Backstage backend: node record.cjs PATH > overrides.json
const modules=require('path').resolve(process.argv[2]);
const {WinstonLogger}=require(modules+'/@backstage/backend-defaults/dist/entrypoints/rootLogger/WinstonLogger.cjs.js');
const {getRootLoggerConfig}=require(modules+'/@backstage/backend-defaults/dist/entrypoints/rootLogger/config.cjs.js');
const {ConfigReader}=require(modules+'/@backstage/config');
const winston=require(modules+'/winston'); const {Writable}=require('stream');
const O=(matchers,level)=>({matchers,level});
const configs={
 none:{}, debug:{level:'debug'}, error:{level:'error'},
 'plugin up':{overrides:[O({plugin:'coder'},'debug')]},
 'plugin down':{overrides:[O({plugin:'coder'},'error')]},
 'first wins':{overrides:[O({plugin:'coder'},'error'),O({type:'plugin'},'debug')]},
 'first wins, turned':{overrides:[O({type:'plugin'},'debug'),O({plugin:'coder'},'error')]},
 'both':{overrides:[O({plugin:'coder',url:'/a'},'debug')]},
 'none at all':{overrides:[O({},'debug')]},
 'array':{overrides:[O({plugin:['scaffolder','/^cod/']},'debug')]},
 'empty array':{overrides:[O({plugin:[]},'debug')]},
 'nested array':{overrides:[O({plugin:[['coder']]},'debug')]},
 'object':{overrides:[O({deep:{a:1}},'debug')]},
 'number':{overrides:[O({status:200},'debug')]},
 'number as string':{overrides:[O({status:'200'},'debug')]},
 'regexp on number':{overrides:[O({status:'/200/'},'debug')]},
 'boolean':{overrides:[O({cached:false},'debug')]},
 'regexp':{overrides:[O({message:'/^hello\\b/'},'debug')]},
 'regexp with i':{overrides:[O({message:'/^HELLO/i'},'debug')]},
 'regexp with m':{overrides:[O({message:'/^second$/m'},'debug')]},
 'regexp with s':{overrides:[O({message:'/hello.second/s'},'debug')]},
 'lookbehind':{overrides:[O({url:'/(?<=\\/)a/'},'debug')]},
 'no regexp':{overrides:[O({url:'/['},'debug')]},
 'invalid regexp':{overrides:[O({odd:'/[/'},'debug')]},
 'invalid flags':{overrides:[O({odd:'/a/xx'},'debug')]},
 'a path':{overrides:[O({url:'/a'},'debug')]},
 'a path of two':{overrides:[O({url:'/a/b'},'debug')]},
 'slash alone':{overrides:[O({url:'/'},'debug')]},
 'two slashes':{overrides:[O({url:'//'},'debug')]},
 'missing field':{overrides:[O({nope:'/.*/'},'debug')]},
 'level':{overrides:[O({level:'debug'},'debug')]},
 'levels':{overrides:[O({level:['info','warn']},'error')]},
 'service':{overrides:[O({service:'backstage'},'debug')]},
 'meta':{meta:{region:'eu',n:2},overrides:[O({region:'eu',n:2},'debug')]},
 'meta hidden':{meta:{plugin:'x',status:1},overrides:[O({plugin:'x'},'debug')]},
 'prefix of a word':{overrides:[O({plugin:'cod'},'debug')]},
};
const entries={
 'root':{with:{service:'backstage'},fields:{},message:'hello'},
 'plugin':{with:{service:'backstage',type:'plugin',plugin:'coder'},fields:{url:'/a',status:200,cached:false},message:'hello'},
 'other plugin':{with:{service:'backstage',type:'plugin',plugin:'catalog'},fields:{url:'/a/b',status:'200',cached:true,odd:'/[/'},message:'hello\nsecond'},
 'override of a field':{with:{service:'backstage',type:'plugin',plugin:'catalog'},fields:{plugin:'coder',deep:{a:1},odd:'/a/xx',url:'//'},message:'bye'},
};
const out=[];
for(const [cn,c] of Object.entries(configs)) for(const [en,e] of Object.entries(entries)) {
  const read=getRootLoggerConfig(new ConfigReader({backend:{logger:c}},'app-config.yaml'));
  let lines=''; const stream=new Writable({write(b,_,cb){lines+=b;cb()}});
  const root=WinstonLogger.create({meta:{...read.meta},level:read.level||'info',format:winston.format.json(),transports:[new winston.transports.Stream({stream})]});
  root.setLevelOverrides(read.overrides??[]);
  const log=root.child(e.with); const written=[];
  for(const l of ['debug','info','warn','error']){lines='';log[l](e.message,e.fields); if(lines) written.push(l);}
  out.push({name:cn+': '+en,config:c,...e,written:written.join(' ')});
}
console.log('[\n'+out.map(x=>JSON.stringify(x)).join(',\n')+'\n]');
